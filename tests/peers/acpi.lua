-- The board's ACPI tables, each as its signature and its bytes as escapes of printf.
local host = machine { cores = 3, ram = "8M", firmware = { vtd = true } }
host:boot("hello")

local function number(at, n)
    return (string.unpack("<I" .. n, host:read(at, n)))
end

local function dump(at)
    local bytes = host:read(at, number(at + 4, 4))
    say((host:read(at, 4) .. " " .. bytes:gsub(".", function(c)
        return string.format("\\%03o", c:byte())
    end)))
end

local xsdt = number(0xe0000 + 24, 8)
dump(xsdt)
for at = xsdt + 36, xsdt + number(xsdt + 4, 4) - 8, 8 do
    local table = number(at, 8)
    dump(table)
    if host:read(table, 4) == "FACP" then
        dump(number(table + 140, 8))
    end
end
