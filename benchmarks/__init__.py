"""How fast is it, next to the official client? `python -m benchmarks` measures here and prints ratios."""
