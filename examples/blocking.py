"""Run a command and a program in a sandbox, and move files in and out, from blocking code."""

from __future__ import annotations

from daytona import Daytona


def main() -> None:
    """Show one of each."""
    with Daytona() as daytona, daytona.create() as sandbox:
        answer = sandbox.process.exec("uname -s && pwd", timeout=10)
        print("exit code", answer.exit_code)
        print(answer.result, end="")

        print(sandbox.process.code_run("print(sum(range(101)))").result, end="")

        sandbox.fs.upload_file(b"apples\npears\n", "fruit/list.txt")
        sandbox.process.exec("sort -r list.txt > reversed.txt", cwd="fruit")
        print(sandbox.fs.download_file("fruit/reversed.txt").decode(), end="")


if __name__ == "__main__":
    main()
