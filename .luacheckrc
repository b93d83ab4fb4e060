-- Scenarios run in Ringside's sandbox: these are its globals.
std = "lua54"
max_line_length = 130
allow_defined_top = true
read_globals = {
    "machine", "link", "snapshot", "say", "hex", "param", "pause", "ask", "check", "check_eq", "check_near", "check_order",
    "must", "test", "arg",
}
