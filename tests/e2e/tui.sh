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

# The head line, once it is whole: after a resize the screen is another's for a while.
is_head() { head_line | grep -Eq '^ *[^ ]+:[0-9]+(\.[0-9]+)? .*cycle [0-9]'; }
read_head() { poll is_head && head_line; }

shows() { screen | grep -qF -- "$1"; }
hides() { ! shows "$1"; }
moved_from() { [ "$(head_line)" != "$1" ] && hides "running ..."; }
stands() { [ "$(head_line)" = "$1" ]; }
check_shows() { if poll shows "$1"; then ok "$2"; else not_ok "$2: no \"$1\""; fi; }
check_hides() { if poll hides "$1"; then ok "$2"; else not_ok "$2: still \"$1\""; fi; }

# Presses a key until the screen shows a text, waiting for each press to move the machine.
press_until() {
    presses=0
    until shows "$2"; do
        presses=$((presses + 1))
        [ "$presses" -gt 150 ] && return 1
        before=$(read_head)
        tm send-keys "$1"
        poll moved_from "$before" || return 1
    done
}

# start WIDTH HEIGHT LOCALE SCENARIO [TERM]: the view in a shell that tells its exit status afterwards.
start() {
    tm kill-server 2>/dev/null
    starts=$((starts + 1))
    socket=$work/$starts
    tm new-session -d -x "$1" -y "$2" "cd '$here' && stty -g >'$work/stty-before';
        ${5:+TERM=$5} LC_ALL=$3 sh -c 'echo \$\$ >\"$work/pid\"; exec \"$ringside\" tui \"$4\"';
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
    screen >"$work/walk"
    if grep -qF '[1 Walk]' "$work/walk" && ! grep -Eq 'native|at most|in all' "$work/walk"; then
        ok "no total is given away"
    else
        not_ok "no total is given away"
    fi
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
    tm send-keys 2
    check_shows "rflags" "the CPU pane shows registers"
    tm send-keys 4
    check_shows "VMCALL" "the exit log shows the hypercall in words"
    tm send-keys q
    check_shows "exit status 0" "q leaves with status 0"
    terminal_is_back "the terminal is as it was after q"
}

ascii_and_signal() {
    start 80 24 C scenarios/nested_walk.lua
    check_shows "Question" "it runs in the C locale"
    tm send-keys Tab
    check_shows "[1 Walk]" "the pane is named"
    tm send-keys 4
    check_shows "nL4 PML4E" "and shows the walk"
    screen >"$work/walk"
    if grep -qF '[1 Walk]' "$work/walk" && grep -q 'nL4 PML4E' "$work/walk" && ! LC_ALL=C grep -q '[^ -~]' "$work/walk"; then
        ok "only ASCII in the C locale"
    else
        not_ok "only ASCII in the C locale"
    fi
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

an_entry_that_is_gone() {
    cat >"$work/gone.lua" <<'LUA'
local host = machine { name = "A", ram = "64M" }
host:boot("hv", { vms = { { name = "walk", image = "walk", ram = "8M", cmdline = "4k" } } })
host:await("mark", { id = 1, vm = "walk" })
host:await("tlb.flush")
pause("INVEPT")
LUA
    start 80 24 C.UTF-8 "$work/gone.lua"
    check_shows "INVEPT" "the hypervisor has dropped the guest's translations"
    check_shows "no longer in the TLB: gVA" "the walk's entry is gone from the TLB"
    check_shows "VM walk: supervisor read by \"" "and the walk is still the guest's, by its instruction"
}

a_terminal_without_a_cursor() {
    start 80 24 C.UTF-8 scenarios/nested_walk.lua dumb
    check_shows "cannot place its cursor" "TERM=dumb is refused with a reason"
    check_shows "exit status 2" "and with status 2"
    terminal_is_back "the terminal is as it was after TERM=dumb"
}

# ---- every key ----

# A lesson that pauses again and again at the end of one walk, so that Enter always leads back there.
keys_scenario() {
    cat >"$work/keys.lua" <<'LUA'
local host = machine { name = "A", ram = "64M", walk_caches = false }
host:boot("hv", { vms = { { name = "walk", image = "walk", ram = "8M", cmdline = "4k" } } })
local mark = host:await("mark", { id = 2, vm = "walk" })
host:await("walk.end", { vm = "walk", gva = mark.arg1 })
for turn = 1, 1000 do
    pause(("this is turn %d."):format(turn))
end
LUA
}

position() { is_head && head_line | awk '{ print $1 }'; }
at() { [ "$(position)" = "$1" ] && hides "running ..."; }
atom() { echo "$1" | sed 's/.*:\([0-9]*\).*/\1/'; }
micro() { echo "$1" | sed -n 's/.*\.\([0-9]*\)$/\1/p'; }
check_at() { if poll at "$1"; then ok "$2"; else not_ok "$2: at $(position), not at $1"; fi; }
check_after() { if poll after "$1"; then ok "$2"; else not_ok "$2: at $(position), not after $1"; fi; }
after() { [ "$(atom "$(position)")" -gt "$(atom "$1")" ] && hides "running ..."; }
turn() { screen | sed -n 's/.*this is turn \([0-9]*\)\..*/\1/p'; }
has_turn() { [ -n "$(turn)" ]; }
next_turn() { [ "$(turn)" = $((${1:-0} + 1)) ]; }

# Back to the first pane and to where the lesson pauses.
home() {
    tm send-keys 1
    check_shows "[1 Walk]" "(to the walk)"
    poll has_turn || not_ok "the lesson says which turn it is" # the screen may be half drawn
    from=$(turn)
    tm send-keys Enter
    poll next_turn "$from" || not_ok "Enter leads to the next pause"
    poll at "$here_at" || not_ok "Enter leads back to $here_at"
}

marked() { screen | sed -n 's/ *<$//p'; }
marks_another() { [ -n "$(marked)" ] && [ "$(marked)" != "$1" ]; }

key_s() {
    tm send-keys b
    poll at "$one_back" || not_ok "s: b first"
    tm send-keys s
    check_at "$here_at" "s goes on by one micro"
}

key_n() {
    tm send-keys n
    check_at "A:$(($(atom "$here_at") + 1))" "n goes to the next instruction"
}

key_w() {
    tm send-keys w
    check_after "$here_at" "w goes on"
    check_shows " cycles in all" "to the end of a walk"
    check_hides " ago" "which is the last thing that has happened"
}

key_e() {
    insn=$(screen | sed -n 3p)
    tm send-keys e
    check_after "$here_at" "e goes on"
    check_shows "hv, root, ring 0" "to an exit, into the hypervisor"
    check_shows " by \"" "the instruction that walked last is still named"
    tm send-keys 4
    check_shows "[4 Exits]" "its exit is the newest of the log"
    check_shows "$(head_line | sed 's/.*cycle //')  walk " "by its cycle and VM"
    echo "$insn" | grep -q 'VM walk: supervisor read by "' || not_ok "the walk's line names VM, access and instruction"
}

key_c() {
    tm send-keys c
    check_after "$here_at" "c runs on"
    check_shows "stands still" "until the machine stands still"
}

key_b() {
    tm send-keys b
    check_at "$one_back" "b goes back one micro"
}

key_B() {
    tm send-keys B
    check_at "A:$(atom "$here_at")" "B goes back to the start of the instruction"
    tm send-keys B
    check_at "A:$(($(atom "$here_at") - 1))" "and from there to the one before"
}

key_W() {
    tm send-keys w
    check_after "$here_at" "W: w first"
    tm send-keys W
    check_at "$here_at" "W goes back to the end of the walk before"
}

key_u() {
    tm send-keys e
    check_after "$here_at" "u: e first"
    tm send-keys u
    check_at "$here_at" "u goes back to where the step began"
}

key_Enter() {
    from=$(turn)
    tm send-keys n
    check_after "$here_at" "Enter: n first"
    tm send-keys Enter
    if poll next_turn "$from"; then ok "Enter lets the scenario go on"; else not_ok "Enter lets the scenario go on"; fi
    check_at "$here_at" "from where it paused"
}

key_digits() {
    for pane in "2 CPU" "3 TLB" "4 Exits" "5 Console" "6 Lesson" "7 IOMMU" "1 Walk"; do
        tm send-keys "${pane%% *}"
        check_shows "[$pane]" "${pane%% *} chooses the pane ${pane#* }"
    done
    tm send-keys 9
    check_shows "There is no pane 9" "9 is refused"
}

key_tab() {
    tm send-keys Tab
    check_shows "[2 CPU]" "Tab goes to the next pane"
    tm send-keys BTab
    check_shows "[1 Walk]" "Shift-Tab to the one before"
}

key_arrows() {
    tm send-keys Left
    check_shows "reference 23 of" "Left chooses the reference before"
    tm send-keys Up
    check_shows "reference 18 of" "Up the one above"
    tm send-keys Right
    check_shows "reference 19 of" "Right the one after"
    tm send-keys Down
    check_shows "reference 24 of" "Down the one below"
}

key_pages() {
    tm send-keys 3
    check_shows " below" "the TLB pane has more lines than the screen"
    check_hides " above" "and stands at their start"
    tm send-keys NPage
    check_shows " above" "PgDn goes down a page"
    tm send-keys PPage
    check_hides " above" "PgUp back up"
}

key_ends() {
    tm send-keys 4
    check_shows " above" "the exits' newest are shown"
    tm send-keys Home
    check_shows "guest RIP" "Home goes to the first line"
    tm send-keys End
    check_hides "guest RIP" "End to the last"
}

key_search() {
    tm send-keys 4 /
    check_shows "Search in Exits: _" "/ asks for a text"
    tm send-keys 'port 3f8' Enter
    if poll marks_another ""; then ok "and marks the line that has it"; else not_ok "and marks the line that has it"; fi
}

key_again() {
    key_search
    first=$(marked)
    tm send-keys N
    if poll marks_another "$first"; then ok "N marks the next one"; else not_ok "N marks the next one"; fi
}

key_help() {
    tm send-keys '?'
    check_shows "step to the next VM exit" "? shows the keys"
    tm send-keys '?'
    check_shows "[1 Walk]" "and leaves them"
}

key_ctrl_c() {
    tm send-keys C-c
    check_shows "Nothing runs; q quits." "Ctrl-C does not end the program"
}

# This shell has no job control, so the kernel lets nothing stop: a_shell_takes_over tries it with one.
# What is typed right behind it may be dropped.
key_ctrl_z() {
    tm send-keys C-z
    if poll chooses_cpu; then ok "Ctrl-Z without a shell to go back to changes nothing"; else not_ok "Ctrl-Z without a shell to go back to changes nothing"; fi
}
chooses_cpu() { tm send-keys 2 && shows "[2 CPU]"; }

key_ctrl_l() {
    printf '\033[5;5Hsmudge' >"$(tm display-message -p '#{pane_tty}')"
    check_shows "smudge" "something else has written on the screen"
    tm send-keys C-l
    check_hides "smudge" "Ctrl-L draws it anew"
}

key_C() {
    tm send-keys C
    check_shows "no other core" "C says that there is one core"
}

key_q() {
    tm send-keys q
    check_shows "exit status 0" "q quits"
}

# One key as the help names it; one that is not here has no test.
try_key() {
    case $1 in
    [snwecbBWuCq]) "key_$1" ;;
    Enter) key_Enter ;;
    "1 .. 9") key_digits ;;
    Tab) key_tab ;;
    arrows) key_arrows ;;
    "PgUp PgDn") key_pages ;;
    "Home End") key_ends ;;
    /) key_search ;;
    N) key_again ;;
    "?") key_help ;;
    Ctrl-C) key_ctrl_c ;;
    Ctrl-L) key_ctrl_l ;;
    Ctrl-Z) key_ctrl_z ;;
    *) not_ok "the key $1 of the help has a test" ;;
    esac
}

every_key() {
    keys_scenario
    start 80 60 C.UTF-8 "$work/keys.lua"
    check_shows "this is turn 1." "the lesson of the keys pauses"
    tm send-keys '?'
    check_shows "How to read the walk" "the whole help is in sight"
    screen | sed -e '1,2d' -e '/How to read the walk/,$d' | cut -c 1-10 | sed 's/ *$//' | grep . >"$work/keys"
    if grep -qx s "$work/keys" && grep -qx q "$work/keys"; then ok "the help lists the keys"; else not_ok "the help lists the keys"; fi
    if screen | sed -e '1,2d' -e '/How to read the walk/,$d' | grep -q '.\{80\}'; then not_ok "a line of the help is cut"; else ok "no line of the help is cut"; fi
    tm send-keys '?'
    tm resize-window -x 80 -y 24
    check_shows "[1 Walk]" "(to the walk)"
    poll is_head || not_ok "the head line is there"
    here_at=$(position)
    one_back=A:$(atom "$here_at").$(($(micro "$here_at") - 1))
    while read -r key <&3; do
        home
        try_key "$key"
    done 3<"$work/keys"
}

what_is_pasted() {
    start 80 24 C.UTF-8 scenarios/native_walk.lua tmux-256color
    check_shows "6 Lesson" "the view runs in a terminal that marks pastes"
    tm set-buffer "$(printf 'q\nqqq\003')"
    tm paste-buffer -p
    check_shows "What is pasted is not taken for keys" "a pasted text presses no keys"
    tm send-keys S-Left S-Right C-Left C-Right 2
    check_shows "[2 CPU]" "keys that only some terminals have are no paste"
    tm send-keys 6 /
    tm set-buffer "PML4E"
    tm paste-buffer -p
    check_shows ": PML4E_" "but is taken for a text to search"
    tm send-keys Escape
    check_hides "PML4E_" "(Escape)"
    tm send-keys q
    check_shows "exit status 0" "q quits"
}

a_shell_takes_over() {
    tm kill-server 2>/dev/null
    starts=$((starts + 1))
    socket=$work/$starts
    tm new-session -d -x 80 -y 24 "cd '$here' && PS1='prompt> ' ENV= exec sh -i"
    check_shows "prompt>" "(a shell)"
    tm send-keys "stty -g >$work/stty-before; LC_ALL=C.UTF-8 $ringside tui scenarios/native_walk.lua" Enter
    check_shows "6 Lesson" "the view runs under a shell"
    tm send-keys C-z
    check_hides "6 Lesson" "Ctrl-Z gives the screen back"
    tm send-keys "clear; stty -g >$work/stty-after; jobs; echo all' over'" Enter
    check_shows "Stopped" "and stops the program"
    terminal_is_back "the terminal is as it was after Ctrl-Z"
    tm resize-window -x 100 -y 30
    tm send-keys "fg" Enter
    check_shows "6 Lesson" "fg brings the view back"
    poll shows "q quit"
    if screen | tail -n 1 | grep -qF "q quit"; then ok "in the size that the terminal has by now"; else not_ok "in the size that the terminal has by now"; fi
    tm send-keys q
    check_shows "prompt>" "q leads back to the shell"
}

several_cores() {
    cat >"$work/cores.lua" <<'EOT'
local host = machine { cores = 3 }
host:boot("cores", { cmdline = "50" })
host:await("walk.end", { core = 2 })
pause("Three cores.")
host:run(1000)
EOT
    start 100 30 C.UTF-8 "$work/cores.lua"
    check_shows "core 1" "the header names the core that is shown"
    check_shows " by \"" "its last walk is there"
    screen | sed -n '3,26p' >"$work/one"
    tm send-keys C
    check_shows "core 2" "C shows the next core"
    check_shows " by \"" "and that core's last walk"
    tm send-keys C
    check_shows "No page walk of core 3 up to here" "a core that has not begun has none"
    tm send-keys C
    check_shows "Core 1 of 3 is shown" "after the last comes the first"
    screen | sed -n '3,26p' >"$work/again"
    if cmp -s "$work/one" "$work/again"; then ok "with the walk that it had before"; else not_ok "with the walk that it had before"; fi
    tm send-keys w
    check_shows "is shown now: this is its walk." "w says whose walk it ends at, and shows that core"
    check_hides " ago" "with the walk that has just ended"
    at_walk=$(read_head)
    tm send-keys n
    poll moved_from "$at_walk"
    tm send-keys w
    check_shows " in all" "(another walk)"
    tm send-keys W
    if poll stands "$at_walk"; then ok "W goes back to that walk, and to its core"; else not_ok "W goes back to that walk, and to its core"; fi
    if press_until n "is shown now: this was its step."; then ok "n shows the core that it moves"; else not_ok "n shows the core that it moves"; fi
    tm send-keys B
    check_shows "IN THE PAST" "B takes a step back"
    if press_until B "is shown now: this step of it is taken back."; then ok "and shows whose it was"; else not_ok "and shows whose it was"; fi
    tm send-keys q
    check_shows "exit status" "q quits"
}

# A device's way through the IOMMU, stepped and shown like a core's walk.
a_devices_walk() {
    cat >"$work/iommu.lua" <<'LUA'
local host = machine { firmware = { vtd = true }, devices = { "edu" } }
host:boot("iommu")
host:await("iommu.end", { fault = true })
host:back(1, "insn")
pause("The next access is refused.")
host:run(1000)
LUA
    start 80 24 C.UTF-8 "$work/iommu.lua"
    check_shows "(a device is next)" "the device has its turn next"
    check_shows "[1 Walk]" "the core's walk is shown"
    tm send-keys s
    check_shows "Device 00:01.0 is shown now: this was its step." "s shows whose step it was"
    check_shows "[7 IOMMU]" "in the IOMMU's pane"
    check_shows "device 00:01.0 edu: write in domain 5" "with device, access and domain"
    check_shows ">L1 SL-PTE     1 mem" "the reference is marked"
    check_shows "-- saved by the PWC" "what caches have saved says so"
    check_shows "cycles so far" "the walk is under way"
    at_ref=$(head_line)
    tm send-keys w
    check_shows "FAULT: the domain does not allow writing there" "w goes to the end of it: a fault"
    check_shows "the kernel's (fault record, reason 5, no exit)" "and whose it is"
    at_fault=$(head_line)
    tm send-keys b
    if poll stands "$at_ref"; then ok "b goes back to the reference"; else not_ok "b goes back to the reference"; fi
    check_hides "FAULT" "where nothing is refused yet"
    tm send-keys w
    if poll stands "$at_fault"; then ok "w goes there again"; else not_ok "w goes there again"; fi
    tm send-keys w
    poll moved_from "$at_fault"
    check_shows "FAULT" "the next walk's end is another one's"
    tm send-keys W
    if poll stands "$at_fault"; then ok "W goes back to the end of the walk before"; else not_ok "W goes back to the end of the walk before"; fi
    tm send-keys n
    poll moved_from "$at_fault"
    tm send-keys n
    check_shows "[1 Walk]" "n, of the core, shows its walk again"
    tm resize-window -x 160 -y 50
    check_shows "IOMMU ──" "with room both stand side by side"
    if screen | grep -q 'image iommu: .*│device 00:01.0 edu'; then ok "the core's and the device's"; else not_ok "the core's and the device's"; fi
    tm send-keys q
    check_shows "exit status" "q quits"
}

command -v tmux >/dev/null || { echo "not ok - tmux is needed for this test"; exit 1; }
question_hides_the_walk
walk_there_and_back
help_resize_quit
ascii_and_signal
a_run_is_stopped_by_a_key
wrong_usage
an_entry_that_is_gone
a_terminal_without_a_cursor
several_cores
a_devices_walk
what_is_pasted
a_shell_takes_over
every_key
exit $failed
