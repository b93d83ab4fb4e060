-- The board's guest: what it prints is the output; what it has put on the screen is checked here.
local host = machine {}
host:boot(param("image", "board", "the guest"), { cmdline = param("cmdline", "3", "what the guest is told") })
host:run()
say((host:console():gsub("\n$", "")))
if host.status ~= 1 then error("the guest fails") end
local screen = host:screen()
if screen[4] ~= "Hello from the board" then error("the text is not on the screen") end
if screen.row ~= 4 or screen.column ~= 21 then error("the cursor is not behind it") end
