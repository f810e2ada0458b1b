"""agno's tools for agents, as a model would call them; prints what each of them answered."""

from __future__ import annotations

import json

from agno.agent import Agent
from agno.tools.daytona import DaytonaTools

tools = DaytonaTools(sandbox_env_vars={"UNITS": "km"})
agent = Agent(session_state={})
seen = {
    "code": tools.run_code(agent, "import os\nprint(2 + 2, os.environ['UNITS'])"),
    "broken code": "ZeroDivisionError" in tools.run_code(agent, "1 / 0"),
    "directory": tools.change_directory(agent, "/tmp"),
    "shell": tools.run_shell_command(agent, "pwd && echo to stderr >&2"),
    "failing shell": tools.run_shell_command(agent, "exit 3"),
    "create": tools.create_file(agent, "notes/a.txt", "it's a note\n"),
    "read": tools.read_file(agent, "notes/a.txt"),
    "list": tools.list_files(agent, "/tmp/notes"),
    "delete": tools.delete_file(agent, "notes/a.txt"),
    "read what is not there": tools.read_file(agent, "notes/a.txt").partition(":")[0],
}
sandbox = tools.daytona.get(agent.session_state["sandbox_id"])
seen["labels"] = sandbox.labels["created_by"], sandbox.labels["persistent"]
tools.daytona.delete(sandbox)
print(json.dumps(seen))
