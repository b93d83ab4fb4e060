#!/bin/sh
# The tables in docs/ agree with the lists that the machine is built of.
exec tools/docs --check "$1/tables" docs/machine.md docs/probes.md
