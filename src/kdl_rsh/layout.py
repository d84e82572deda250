"""Where script and agent meet: names that both know, and those who put them into a pod."""

EXCHANGE_DIRECTORY = "/run/kdl-rsh"
"""Mount path of the volume that the containers of a pod share with the agent."""
EXCHANGE_VOLUME = "kdl-rsh"
TOKEN_VOLUME = "kdl-rsh-token"
AGENT_CONTAINER = "kdl-rsh-agent"
AGENT_COMMAND = ("kdl", "rsh-agent")

CALL_PREFIX = "call."
"""A call is a directory of this name: it appears, complete, by a rename, and goes with the script that made it."""
HOST, COMMAND, TAKEN = "host", "command", "taken"
"""Files of a call: the pod, the command line for its ``sh -c``, and the mark of an agent that has begun with it."""
STDIN, STDOUT, STDERR, CODE = "in", "out", "err", "code"
"""FIFOs of a call. ``code`` gets the exit code at the end, and is closed without one if the agent dies."""
NO_ANSWER = 255
"""Exit code of the script if the agent dies, as of ssh for an error of its own."""
