"""Remote shell without a server: a program in one pod starts commands in others through the API server.

MPI's launchers start their daemons by a remote shell. Here it is a short shell script (``script``) in the container of
the user, who needs no credentials for it: it leaves each call in a directory that it shares with a sidecar, the agent
(``agent``), which runs the command by the exec subresource of the other pod.
"""
