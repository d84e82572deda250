"""The remote shell itself: ``script HOST COMMAND...``, as rsh and ssh are called by mpirun.

It needs sh, mkdir, mkfifo, cat, mv and rm, which every image with a shell has. Script and agent may be different users,
so what is exchanged is for all users of the volume, which only the containers of the pod have.
"""

from kdl_rsh.layout import CALL_PREFIX, CODE, COMMAND, EXCHANGE_DIRECTORY, HOST, NO_ANSWER, STDERR, STDIN, STDOUT

SCRIPT = f"""#!/bin/sh
# Runs a command in another pod: the agent beside this container does it.
set -u
directory=${{KDL_RSH_DIRECTORY:-{EXCHANGE_DIRECTORY}}}
while [ $# -gt 0 ]; do
    case $1 in
        -l | -p | -o | -i | -F) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
if [ $# -lt 2 ]; then
    echo "usage: $0 HOST COMMAND..." >&2
    exit {NO_ANSWER}
fi
umask 000
number=0
until mkdir "$directory/new.$$.$number" 2>/dev/null; do
    number=$((number + 1))
    if [ $number -gt 99 ]; then
        echo "$0: cannot write into $directory" >&2
        exit {NO_ANSWER}
    fi
done
call=$directory/new.$$.$number
place=$directory/{CALL_PREFIX}$$.$number
jobs=
finish() {{
    trap - EXIT TERM INT HUP
    [ -z "$jobs" ] || kill $jobs 2>/dev/null
    # By a rename first: the agent must not take half a call for a new one.
    [ ! -d "$place" ] || mv "$place" "$call"
    rm -rf "$call"
    exit "$1"
}}
trap 'finish {NO_ANSWER}' EXIT
trap 'finish 143' TERM
trap 'finish 130' INT
trap 'finish 129' HUP
printf '%s' "$1" >"$call/{HOST}"
shift
printf '%s' "$*" >"$call/{COMMAND}"
mkfifo "$call/{STDIN}" "$call/{STDOUT}" "$call/{STDERR}" "$call/{CODE}" || exit {NO_ANSWER}
mv "$call" "$place"
exec 3<&0
cat <&3 >"$place/{STDIN}" 2>/dev/null &
jobs=$!
exec 3<&-
cat "$place/{STDOUT}" &
out=$!
cat "$place/{STDERR}" >&2 &
err=$!
jobs="$jobs $out $err"
# A signal is heard while the shell waits, and not while it reads.
cat "$place/{CODE}" >"$place/{CODE}.read" &
reader=$!
jobs="$jobs $reader"
wait $reader
wait $out $err
code=$(cat "$place/{CODE}.read")
[ -n "$code" ] || echo "$0: the agent has not come to the end of the command" >&2
finish "${{code:-{NO_ANSWER}}}"
"""
