#!/bin/sh
# The terminal view under tmux: a person steps into the nested walk and back.   tui.sh BUILD
# shellcheck disable=SC2317  # functions that poll and trap call
set -u

build=${1:-build}
here=$(cd "$(dirname "$0")/../.." && pwd)
ringside=$(cd "$build" && pwd)/ringside
work=$(mktemp -d)
socket=$work/0
starts=0
failed=0
timeout_ticks=600 # of 0.05 s

tm() { LC_ALL=C.UTF-8 tmux -u -S "$socket" -f /dev/null "$@"; }

finish() {
    tm kill-server 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

screen() { tm capture-pane -p 2>/dev/null; }
head_line() { screen | head -n 1; }

ok() { echo "ok - $1"; }
not_ok() {
    echo "not ok - $1"
    screen | sed 's/^/# /'
    failed=1
    timeout_ticks=60 # what follows has little to wait for
}

# Polls until the command line "$@" holds; false after the timeout.
poll() {
    ticks=0
    until "$@"; do
        ticks=$((ticks + 1))
        [ "$ticks" -gt "$timeout_ticks" ] && return 1
        sleep 0.05
    done
}

shows() { screen | grep -qF -- "$1"; }
hides() { ! shows "$1"; }
moved_from() { [ "$(head_line)" != "$1" ] && hides "running ..."; }
check_shows() { if poll shows "$1"; then ok "$2"; else not_ok "$2: no \"$1\""; fi; }
check_hides() { if poll hides "$1"; then ok "$2"; else not_ok "$2: still \"$1\""; fi; }

# Presses a key until the screen shows a text, waiting for each press to move the machine.
press_until() {
    presses=0
    until shows "$2"; do
        presses=$((presses + 1))
        [ "$presses" -gt 150 ] && return 1
        before=$(head_line)
        tm send-keys "$1"
        poll moved_from "$before" || return 1
    done
}

# start WIDTH HEIGHT LOCALE SCENARIO: the view in a shell that tells its exit status afterwards.
start() {
    tm kill-server 2>/dev/null
    starts=$((starts + 1))
    socket=$work/$starts
    tm new-session -d -x "$1" -y "$2" "cd '$here' && stty -g >'$work/stty-before';
        LC_ALL=$3 sh -c 'echo \$\$ >\"$work/pid\"; exec \"$ringside\" tui \"$4\"';
        echo \"exit status \$?\"; stty -g >'$work/stty-after'; echo all over; sleep 60"
}

terminal_is_back() {
    if poll shows 'all over' && cmp -s "$work/stty-before" "$work/stty-after"; then ok "$1"; else not_ok "$1"; fi
}

question_hides_the_walk() {
    start 80 24 C.UTF-8 scenarios/nested_walk.lua
    check_shows "Question" "the scenario runs to its question"
    tm send-keys Tab
    check_shows "hidden until the question is answered" "the walk is hidden until then"
    if screen | grep -q "native: 4"; then not_ok "no total is given away"; else ok "no total is given away"; fi
    tm send-keys 9
    check_shows "no choice 9" "a digit without a choice is refused"
    tm send-keys 4
    check_shows "Pause" "the answer lets the scenario go on to its pause"
}

walk_there_and_back() {
    check_shows "reference 24 of at most 24" "the load's walk has ended with reference 24"
    check_shows "TLB entry: gVA" "the TLB entry that it made is shown"
    if press_until b "reference 11 of at most 24"; then ok "b steps back to reference 11"; else not_ok "b steps back to reference 11"; fi
    check_shows "IN THE PAST" "the past is said loudly"
    check_hides "TLB entry: gVA" "the end of the walk is gone again"
    if press_until s "reference 13 of at most 24"; then ok "s steps to reference 13"; else not_ok "s steps to reference 13"; fi
    check_shows ">13 " "the cell of reference 13 is marked"
    check_shows "13. nL2, the EPT's PDE" "reference 13 is explained"
    if screen | grep -Eq '[^0-9]14 (L1|L2|mem)'; then not_ok "reference 14 is still to come"; else ok "reference 14 is still to come"; fi
    check_shows "(native: 4)" "the native walk's 4 is beside it"
    if press_until b "reference 12 of at most 24"; then ok "b steps back to reference 12"; else not_ok "b steps back to reference 12"; fi
    check_hides ">13 " "reference 13 is gone again"
}

help_resize_quit() {
    tm send-keys '?'
    check_shows "step to the next VM exit" "help lists the keys"
    tm send-keys '?'
    check_shows "reference 12 of" "help is left"
    tm resize-window -x 60 -y 20
    check_shows "too small: 80x24 needed, this is 60x20" "a small terminal is told what is needed"
    tm resize-window -x 120 -y 40
    check_shows "reference 12 of" "a larger one shows the walk again"
    check_shows " CPU " "with room, more panes show"
    tm send-keys B
    tm send-keys 2
    check_shows "rflags" "the CPU pane shows registers"
    tm send-keys 4
    check_shows " 18  VMCALL" "the exit log shows the hypercall in words"
    tm send-keys q
    check_shows "exit status 0" "q leaves with status 0"
    terminal_is_back "the terminal is as it was after q"
}

ascii_and_signal() {
    start 80 24 C scenarios/nested_walk.lua
    check_shows "Question" "it runs in the C locale"
    tm send-keys Tab
    check_shows "[1 Walk]" "the pane is named"
    if screen | LC_ALL=C grep -q '[^ -~]'; then not_ok "only ASCII in the C locale"; else ok "only ASCII in the C locale"; fi
    kill -TERM "$(cat "$work/pid")"
    check_shows "exit status 143" "SIGTERM ends it"
    terminal_is_back "the terminal is as it was after SIGTERM"
}

a_run_is_stopped_by_a_key() {
    cat >"$work/spin.lua" <<'LUA'
local host = machine { name = "A" }
host:boot("alu", { cmdline = "1000000000000" })
say("runs until stopped")
host:run(1000000000000)
LUA
    start 80 24 C.UTF-8 "$work/spin.lua"
    check_shows "Running; any key stops it" "a run says so"
    tm send-keys C-c
    check_shows "Stopped" "Ctrl-C stops the run, not the program"
    tm send-keys Enter
    check_shows "Running" "Enter lets it go on"
    tm send-keys q
    check_shows "Quit? y or n" "q asks while something runs"
    tm send-keys n
    check_shows "Not quitting" "n stays"
    tm send-keys q
    check_shows "exit status 0" "q leaves"
}

wrong_usage() {
    "$ringside" tui "$here/scenarios/nested_walk.lua" </dev/null >"$work/out" 2>"$work/err"
    status=$?
    if [ "$status" -eq 2 ] && grep -q 'terminal' "$work/err" && [ ! -s "$work/out" ]; then
        ok "without a terminal: a message and status 2"
    else
        not_ok "without a terminal: a message and status 2 (got $status)"
    fi
    echo 'no_such_function()' >"$work/bad.lua"
    start 80 24 C.UTF-8 "$work/bad.lua"
    check_shows "bad.lua:1:" "a scenario's error is shown with its line"
    tm send-keys q
    check_shows "exit status 2" "and leaves with status 2"
}

command -v tmux >/dev/null || { echo "not ok - tmux is needed for this test"; exit 1; }
question_hides_the_walk
walk_there_and_back
help_resize_quit
ascii_and_signal
a_run_is_stopped_by_a_key
wrong_usage
exit $failed
