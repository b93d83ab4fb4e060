-- Keys are pressed while the board's guest waits for the timer; it reads them away before it tries the keyboard.
local host = machine {}
host:boot("board")
host:run("5ms")
host:type("Hi!\n")
host:run("3ms")
host:key("ctrl+alt+delete")
host:run()
say("%d %016x", host.status, host:hash())
