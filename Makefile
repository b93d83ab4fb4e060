# Ringside.  `make help` lists the targets.
#
# One makefile, nothing recursive but the second run after set-up; everything it makes goes to $(BUILD).
#   BUILD=DIR     where to build              DEBUG=1      -O0 -g, in build/debug
#   CC=gcc|clang  compiler of the host        SANITIZE=1   ASan and UBSan, in build/sanitize
#   V=1           show commands

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

ifdef SANITIZE
BUILD ?= build/sanitize
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
else ifdef DEBUG
BUILD ?= build/debug
OPT := -O0 -g3
else
BUILD ?= build
OPT := -O2 -g
# The simulator in the programs that people run is optimised across files as well, where the compiler can keep ordinary
# code beside that: tests link the same objects without it, in a fraction of the time.
FAT_LTO := -flto=auto -ffat-lto-objects
LTO := $(shell echo 'int main(void){return 0;}' | $(CC) -Werror $(FAT_LTO) -xc - -o /dev/null 2>/dev/null && echo -O3 $(FAT_LTO))
SIM_OPT := -O3 -g $(LTO)
NO_LTO := $(if $(LTO),-fno-lto)
endif
SIM_OPT ?= $(OPT)

PREFIX ?= /usr/local
CLANG ?= clang
LLD ?= ld.lld
NM ?= nm
PKG_CONFIG ?= pkg-config
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-5s %s\n' $(1) $(patsubst $(BUILD)/%,%,$(2)))

# ---- libraries: by pkg-config, else by their usual names ----

pc_first = $(firstword $(foreach p,$(1),$(shell $(PKG_CONFIG) --exists '$(p)' 2>/dev/null && echo $(p))))
pc_cflags = $(if $(1),$(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null))
pc_libs = $(if $(1),$(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null),$(2))
pc = $(eval PC_$(1) := $$(call pc_first,$(2)))$(eval CFLAGS_$(1) := $$(call pc_cflags,$$(PC_$(1))))$(eval \
    LIBS_$(1) := $$(call pc_libs,$$(PC_$(1)),$(3)))

ifneq ($(MAKECMDGOALS),clean)
$(call pc,lua,lua5.4 lua-5.4 lua54 lua,-llua5.4)
$(call pc,ncurses,ncursesw,-lncursesw)
$(call pc,zydis,zydis,-lZydis)
$(call pc,elf,libelf,-lelf)
$(call pc,xxhash,libxxhash,-lxxhash)
$(call pc,zstd,libzstd,-lzstd)
$(call pc,cjson,libcjson,-lcjson)
$(call pc,check,check,-lcheck)
endif

SIM_PC_CFLAGS := $(CFLAGS_zydis) $(CFLAGS_elf) $(CFLAGS_xxhash) $(CFLAGS_zstd)
SIM_LIBS := $(LIBS_zydis) $(LIBS_elf) $(LIBS_xxhash) $(LIBS_zstd)
UI_PC_CFLAGS := $(CFLAGS_lua) $(filter-out -D%,$(CFLAGS_ncurses)) $(CFLAGS_cjson)
UI_LIBS := $(LIBS_lua) $(LIBS_ncurses) $(LIBS_cjson) -lm

# ---- flags ----

WARN := -Wall -Wextra -Wshadow -Werror
# gcc's guess that a message may be cut is right, and cutting is meant.
HOST_WARN := $(WARN) $(shell $(CC) -Werror -Wno-format-truncation -fsyntax-only -xc /dev/null 2>/dev/null && echo -Wno-format-truncation)
STD := -std=c17 -D_POSIX_C_SOURCE=200809L
DEPS = -MMD -MP
CFLAGS ?=
SIM_CFLAGS = $(STD) $(HOST_WARN) $(SIM_OPT) -Isim $(SIM_PC_CFLAGS) $(CPPFLAGS) $(CFLAGS)
UI_CFLAGS = $(STD) -D_XOPEN_SOURCE=700 $(HOST_WARN) $(OPT) -Isim -Iui $(UI_PC_CFLAGS) $(CPPFLAGS) $(CFLAGS)
TEST_CFLAGS = $(STD) -D_XOPEN_SOURCE=700 $(HOST_WARN) $(OPT) -Isim -Iui -Itests $(SIM_PC_CFLAGS) $(UI_PC_CFLAGS) $(CFLAGS_check) \
    $(CPPFLAGS) $(CFLAGS)
# What runs on the machine: no vector registers, no red zone, nothing of the host.
BARE_CFLAGS = --target=x86_64-unknown-none-elf -std=c17 $(WARN) -ffreestanding -nostdlibinc -O2 -g -mgeneral-regs-only \
    -mno-red-zone -mcmodel=small -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fno-omit-frame-pointer \
    -ffunction-sections -fdata-sections -I. -Isim
BARE_LDFLAGS = -nostdlib -static --no-dynamic-linker --gc-sections --build-id=none -z max-page-size=4096 -z noexecstack

# ---- what there is ----

SIM_SRC := $(wildcard sim/*.c sim/*/*.c)
UI_SRC := $(wildcard ui/*.c ui/*/*.c)
HV_SRC := $(wildcard hv/*.c hv/*.S)
# Of the guests' library: what compilers call by themselves, the way from an exception to C, the end of a run, where
# other cores begin, and drivers of the machine's devices.
HV_SHARED_SRC := $(addprefix guests/lib/,string.c end_run.c trap_entry.c trap_entry.S startup.c pci.c e1000.c virtio.c)
GUEST_SRC := $(wildcard guests/*.c guests/*.S)
GUEST_LIB_SRC := $(wildcard guests/lib/*.c guests/lib/*.S)
CONFORMANCE_SRC := $(wildcard guests/conformance/*.c guests/conformance/*.S)
VTX_SRC := $(wildcard guests/vtx/*.c guests/vtx/lib/*.c guests/vtx/lib/*.S)
# The guest kernel, which lies in the upper half; its programs, a file each; and what it finds in its initrd.
KERNEL_SRC := $(wildcard guests/kernel/*.c guests/kernel/*.S)
KERNEL_LIB_SRC := $(addprefix guests/lib/,end_run.c print.c string.c uart.c trap_entry.c trap_entry.S pci.c e1000.c virtio.c)
KERNEL_USER_SRC := $(sort $(wildcard guests/kernel/user/*.c))
KERNEL_USER_LIB_SRC := $(wildcard guests/kernel/user/lib/*.c guests/kernel/user/lib/*.S)
KERNEL_FILES := $(sort $(wildcard guests/kernel/files/*))
TEST_SRC := $(wildcard tests/test_*.c)
SOAK_SRC := tests/soak.c
TEST_LIB_SRC := $(wildcard tests/*/*.c)
E2E := $(wildcard tests/e2e/*.sh)
BENCH_SRC := $(wildcard bench/*.c)
# The image that bench/ measures: compute.S stands for compute.c.
BENCH_IMAGE_SRC := $(filter-out %/compute.c,$(wildcard bench/image/*.c bench/image/*.S))
TOOL_SRC := $(wildcard tools/*.c)

obj = $(patsubst %,$(BUILD)/obj/%.o,$(1))

SIM_OBJ := $(call obj,$(SIM_SRC))
UI_OBJ := $(call obj,$(UI_SRC))
UI_PART_OBJ := $(filter-out %/main.c.o,$(UI_OBJ))
HV_OBJ := $(call obj,$(HV_SRC))
HV_SHARED_OBJ := $(call obj,$(HV_SHARED_SRC))
GUEST_OBJ := $(call obj,$(GUEST_SRC))
GUEST_LIB_OBJ := $(call obj,$(GUEST_LIB_SRC))
CONFORMANCE_OBJ := $(call obj,$(CONFORMANCE_SRC))
VTX_OBJ := $(call obj,$(VTX_SRC))
KERNEL_OBJ := $(patsubst %,$(BUILD)/obj/upper/%.o,$(KERNEL_SRC) $(KERNEL_LIB_SRC))
KERNEL_USER_OBJ := $(call obj,$(KERNEL_USER_SRC))
KERNEL_USER_LIB_OBJ := $(call obj,$(KERNEL_USER_LIB_SRC) guests/lib/print.c guests/lib/string.c)
KERNEL_PROGRAMS := $(patsubst guests/kernel/user/%.c,$(BUILD)/guests/programs/%,$(KERNEL_USER_SRC))
TEST_OBJ := $(call obj,$(TEST_SRC))
TEST_LIB_OBJ := $(call obj,$(TEST_LIB_SRC))
BENCH_OBJ := $(call obj,$(BENCH_SRC))
BENCH_IMAGE_OBJ := $(call obj,$(BENCH_IMAGE_SRC))
TOOL_OBJ := $(call obj,$(TOOL_SRC))
SOAK_OBJ := $(call obj,$(SOAK_SRC))

LIB := $(BUILD)/libringside.a
UI_LIB := $(BUILD)/libui.a
TEST_LIB := $(BUILD)/libtests.a
HV := $(if $(HV_SRC),$(BUILD)/hv/hv.elf)
BENCH_IMAGE := $(BUILD)/bench/bench.elf
GUESTS := $(patsubst guests/%,$(BUILD)/guests/%.elf,$(basename $(GUEST_SRC))) $(BUILD)/guests/conformance.elf $(BUILD)/guests/vtx.elf $(BUILD)/guests/kernel.elf
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TEST_SRC))

HOST_OBJ := $(SIM_OBJ) $(UI_OBJ) $(TEST_OBJ) $(TEST_LIB_OBJ) $(BENCH_OBJ) $(TOOL_OBJ) $(SOAK_OBJ)
BARE_OBJ := $(HV_OBJ) $(GUEST_OBJ) $(GUEST_LIB_OBJ) $(CONFORMANCE_OBJ) $(VTX_OBJ) $(BENCH_IMAGE_OBJ) \
    $(KERNEL_OBJ) $(KERNEL_USER_OBJ) $(call obj,$(KERNEL_USER_LIB_SRC))

.PHONY: all lib hv guests images tests demo demo-run check check-run soak mutations hostile bench performance compute lint format install install-files uninstall clean setup docs pictures help FORCE

all: $(BUILD)/ringside images
lib: $(LIB)
hv: $(HV)
guests: $(GUESTS)
images: $(HV) $(GUESTS) $(BENCH_IMAGE)
tests: $(TESTS)

help:
	@echo 'make              the simulator, the hypervisor and the guests, into $(BUILD)/'
	@echo 'make demo         set-up, build, and the nested page walk (in the terminal view, if there is a terminal)'
	@echo 'make check        set-up, build, and all tests; SANITIZE=1 for ASan and UBSan'
	@echo 'make hostile      all tests, on a build that keeps nothing it can do without'
	@echo 'make soak         random instructions in lock-step with this processor, for SECONDS=60'
	@echo 'make mutations    VMCSs with rubbish in them, MUTATIONS=10000000 of them, from SEED=1000000 on'
	@echo 'make bench        speed beside Bochs and QEMU; BENCH=ARGUMENTS.  make performance: the same, into docs/'
	@echo 'make lint         clang-tidy, cppcheck, shellcheck, luacheck'
	@echo 'make format       clang-format over the C sources'
	@echo 'make docs         the tables in docs/ from the .def files; make pictures: the one in README'
	@echo 'make install      to DESTDIR and PREFIX ($(PREFIX)); also uninstall'
	@echo 'make setup        installs what is missing; make clean; make compile_commands.json'
	@echo 'parts: lib hv guests tests.   settings: BUILD=DIR CC=gcc|clang DEBUG=1 SANITIZE=1 PREFIX=DIR DESTDIR=DIR'

# ---- what must be there ----

setup:
	@tools/setup

# Says what is missing, and how to get it, before the compiler stumbles over it.
$(BUILD)/tools-found: tools/setup
	@mkdir -p $(@D)
	@tools/setup --check
	@touch $@

# ---- stamps: flags for what is compiled, lists of files for what is linked ----

stamp = @mkdir -p $(@D); printf '%s\n' $(1) | cmp -s - $@ || printf '%s\n' $(1) > $@

$(BUILD)/flags-sim: FORCE
	$(call stamp,'$(CC) $(SIM_CFLAGS)')
$(BUILD)/flags-ui: FORCE
	$(call stamp,'$(CC) $(UI_CFLAGS)')
$(BUILD)/flags-tests: FORCE
	$(call stamp,'$(CC) $(TEST_CFLAGS)')
$(BUILD)/flags-bare: FORCE
	$(call stamp,'$(CLANG) $(BARE_CFLAGS) $(LLD) $(BARE_LDFLAGS)')
$(BUILD)/sources: FORCE
	$(call stamp,$(SIM_SRC) $(UI_SRC) $(TEST_LIB_SRC) $(HV_SRC) $(GUEST_LIB_SRC) $(CONFORMANCE_SRC) $(VTX_SRC) $(KERNEL_SRC) $(KERNEL_USER_SRC) $(KERNEL_USER_LIB_SRC) $(KERNEL_FILES))

# ---- the host's programs ----

$(SIM_OBJ): $(BUILD)/obj/%.o: % $(BUILD)/flags-sim | $(BUILD)/tools-found
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(SIM_CFLAGS) $(DEPS) -c -o $@ $<

$(UI_OBJ): $(BUILD)/obj/%.o: % $(BUILD)/flags-ui | $(BUILD)/tools-found
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(UI_CFLAGS) $(DEPS) -c -o $@ $<

$(TEST_OBJ) $(TEST_LIB_OBJ) $(BENCH_OBJ) $(TOOL_OBJ) $(SOAK_OBJ): $(BUILD)/obj/%.o: % $(BUILD)/flags-tests | $(BUILD)/tools-found
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TEST_CFLAGS) $(DEPS) -c -o $@ $<

archive = $(Q)rm -f $@; $(AR) rcs $@ $(filter %.o,$^)

$(LIB): $(SIM_OBJ) $(BUILD)/sources
	$(archive)
$(UI_LIB): $(UI_PART_OBJ) $(BUILD)/sources
	$(archive)
$(TEST_LIB): $(TEST_LIB_OBJ) $(BUILD)/sources
	$(archive)

$(BUILD)/ringside: $(filter %/main.c.o,$(UI_OBJ)) $(UI_LIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) $(LTO) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(UI_LIBS) $(SIM_LIBS)

$(TESTS): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.c.o $(TEST_LIB) $(UI_LIB) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) $(NO_LTO) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS_check) $(UI_LIBS) $(SIM_LIBS)

# Parts of the hypervisor that know nothing of the processor they run on, for tests that call them.
hv_host = $(patsubst %,$(BUILD)/obj/host/hv/%.c.o,$(1))
HV_NIC_OBJ := $(call hv_host,e1000 e1000_receive e1000_transmit vswitch)
HV_PCI_OBJ := $(call hv_host,vpci vpci_message)
HV_VIRTIO_OBJ := $(HV_PCI_OBJ) $(call hv_host,dma virtio_net virtio_pci virtqueue vswitch)
HV_BLK_OBJ := $(HV_PCI_OBJ) $(call hv_host,aes disk_filter disk_profile dma print text virtio_blk virtio_pci virtqueue)
HV_HOST_OBJ := $(sort $(call hv_host,aes decode emulate operate irq) $(HV_NIC_OBJ) $(HV_VIRTIO_OBJ) $(HV_BLK_OBJ))

$(HV_HOST_OBJ): $(BUILD)/obj/host/%.o: % $(BUILD)/flags-tests | $(BUILD)/tools-found
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(TEST_CFLAGS) -I. $(DEPS) -c -o $@ $<

$(addprefix $(BUILD)/tests/,test_decode test_hv_emulate): $(call hv_host,decode emulate operate)
$(BUILD)/tests/test_hv_vswitch: $(call hv_host,vswitch)
$(addprefix $(BUILD)/tests/,test_hv_aes test_hv_disk): $(call hv_host,aes)
$(BUILD)/tests/test_hv_irq: $(call hv_host,irq)
$(BUILD)/tests/test_hv_e1000: $(HV_NIC_OBJ)
$(BUILD)/tests/test_hv_vpci: $(HV_PCI_OBJ)
$(BUILD)/tests/test_hv_virtio: $(HV_VIRTIO_OBJ)
$(BUILD)/tests/test_hv_blk: $(HV_BLK_OBJ)

# It runs the yardstick's image as the yardstick does, and reads its tables.
$(BUILD)/tests/test_bench: $(call obj,$(addprefix bench/,own.c result.c follow.c report.c))

$(BUILD)/bench/bench: $(BENCH_OBJ) $(UI_LIB) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) $(LTO) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(UI_LIBS) $(SIM_LIBS)

$(BUILD)/tables: $(TOOL_OBJ) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) $(NO_LTO) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(SIM_LIBS)

$(BUILD)/soak: $(SOAK_OBJ) $(TEST_LIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) $(NO_LTO) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS_check) $(SIM_LIBS)

# ---- the machine's programs ----

$(HV_OBJ) $(GUEST_OBJ) $(GUEST_LIB_OBJ) $(CONFORMANCE_OBJ) $(VTX_OBJ): $(BUILD)/obj/%.o: % $(BUILD)/flags-bare | $(BUILD)/tools-found
	@mkdir -p $(@D)
	$(call say,CLANG,$@)
	$(Q)$(CLANG) $(BARE_CFLAGS) -I$(firstword $(subst /, ,$<)) $(DEPS) -c -o $@ $<

# Linked twice: the second time with a table of its own symbols, which lies behind all code.
HV_LINK = $(LLD) $(BARE_LDFLAGS) -T hv/hv.ld

$(BUILD)/hv/nameless: $(HV_OBJ) $(HV_SHARED_OBJ) hv/hv.ld $(BUILD)/sources
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(HV_LINK) -o $@ $(HV_OBJ) $(HV_SHARED_OBJ)

$(BUILD)/hv/symbols.S: $(BUILD)/hv/nameless hv/symbols.sh
	$(call say,NM,$@)
	$(Q)$(NM) -n $< | sh hv/symbols.sh > $@

$(BUILD)/hv/hv.elf: $(BUILD)/hv/symbols.S
	$(call say,CLANG,$@)
	$(Q)$(CLANG) $(BARE_CFLAGS) -c -o $(<:.S=.o) $<
	$(call say,LINK,$@)
	$(Q)$(HV_LINK) -o $@ $(HV_OBJ) $(HV_SHARED_OBJ) $(<:.S=.o)

# A guest as the others are, of several files.
$(BENCH_IMAGE_OBJ): $(BUILD)/obj/%.o: % $(BUILD)/flags-bare | $(BUILD)/tools-found
	@mkdir -p $(@D)
	$(call say,CLANG,$@)
	$(Q)$(CLANG) $(BARE_CFLAGS) -Iguests $(DEPS) -c -o $@ $<

$(BENCH_IMAGE): $(BENCH_IMAGE_OBJ) $(GUEST_LIB_OBJ) guests/guest.ld $(BUILD)/sources
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LLD) $(BARE_LDFLAGS) -T guests/guest.ld -o $@ $(filter %.o,$^)

# compute.S is kept, so that the compiled phases are the same instructions whatever clang is here.
compute:
	$(CLANG) $(filter-out -g,$(BARE_CFLAGS)) -fno-builtin -fno-verbose-asm -fno-ident -fno-addrsig -S -o bench/image/compute.S bench/image/compute.c

define guest_rule
$(BUILD)/guests/$(1).elf: $(call obj,$(2)) $(GUEST_LIB_OBJ) guests/guest.ld $(BUILD)/sources
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(LLD) $$(BARE_LDFLAGS) -T guests/guest.ld -o $$@ $$(filter %.o,$$^)
endef
$(foreach src,$(GUEST_SRC),$(eval $(call guest_rule,$(basename $(notdir $(src))),$(src))))
$(eval $(call guest_rule,conformance,$(CONFORMANCE_SRC)))
$(eval $(call guest_rule,vtx,$(VTX_SRC)))

# The kernel and what it has of the guests' library run in the upper 2 GiB.
$(KERNEL_OBJ): $(BUILD)/obj/upper/%.o: % $(BUILD)/flags-bare | $(BUILD)/tools-found
	@mkdir -p $(@D)
	$(call say,CLANG,$@)
	$(Q)$(CLANG) $(BARE_CFLAGS) -mcmodel=kernel -Iguests $(DEPS) -c -o $@ $<

$(KERNEL_USER_OBJ) $(call obj,$(KERNEL_USER_LIB_SRC)): $(BUILD)/obj/%.o: % $(BUILD)/flags-bare | $(BUILD)/tools-found
	@mkdir -p $(@D)
	$(call say,CLANG,$@)
	$(Q)$(CLANG) $(BARE_CFLAGS) -Iguests/kernel/user/lib -Iguests $(DEPS) -c -o $@ $<

$(KERNEL_PROGRAMS): $(BUILD)/guests/programs/%: $(BUILD)/obj/guests/kernel/user/%.c.o $(KERNEL_USER_LIB_OBJ) guests/kernel/user/user.ld
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LLD) $(BARE_LDFLAGS) --strip-debug -T guests/kernel/user/user.ld -o $@ $(filter %.o,$^)

# The initrd is a part of the image, so that every boot loader has it: a table of names, and the files.
$(BUILD)/guests/initrd.S: $(KERNEL_PROGRAMS) $(KERNEL_FILES) guests/kernel/initrd.sh
	$(call say,GEN,$@)
	$(Q)sh guests/kernel/initrd.sh $(KERNEL_PROGRAMS) $(KERNEL_FILES) > $@

$(BUILD)/guests/kernel.elf: $(KERNEL_OBJ) $(BUILD)/guests/initrd.S guests/kernel/kernel.ld $(BUILD)/sources
	$(Q)$(CLANG) $(BARE_CFLAGS) -c -o $(BUILD)/guests/initrd.o $(BUILD)/guests/initrd.S
	$(call say,LINK,$@)
	$(Q)$(LLD) $(BARE_LDFLAGS) -T guests/kernel/kernel.ld -o $@ $(KERNEL_OBJ) $(BUILD)/guests/initrd.o

# ---- jobs ----

# As many at a time as there are cores, unless the caller has said how many.
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j $(JOBS))

demo:
	@tools/setup
	@$(MAKE) --no-print-directory $(PARALLEL) demo-run

demo-run: all
	@if [ -t 0 ] && [ -t 1 ]; then $(BUILD)/ringside tui scenarios/nested_walk.lua; \
	else $(BUILD)/ringside run scenarios/nested_walk.lua; fi

check:
	@tools/setup --peers
	@$(MAKE) --no-print-directory $(PARALLEL) check-build
	@$(if $(SANITIZE),TEST_LIMIT_SECONDS=3600) tests/run $(BUILD) $(JOBS) $(TESTS) $(E2E)

.PHONY: check-build bench-build
check-build: all tests $(BUILD)/tables $(BUILD)/soak

# BENCH=ARGUMENTS: see bench/bench.c.
bench:
	@tools/setup --peers
	@$(MAKE) --no-print-directory $(PARALLEL) bench-build
	@$(BUILD)/bench/bench $(BUILD) $(BENCH)

bench-build: all $(BUILD)/bench/bench

# What bench prints, into docs/performance.md.
performance: bench-build
	@$(BUILD)/bench/bench $(BUILD) $(BENCH) > $(BUILD)/bench/table
	@sed -e '/^<!-- run -->$$/r $(BUILD)/bench/table' -e '/^<!-- run -->$$/,/^<!-- end of run -->$$/{//!d;}' \
	    docs/performance.md > $(BUILD)/bench/performance.md
	@cp $(BUILD)/bench/performance.md docs/performance.md

# All tests once more, on a build that keeps as little as it may.
hostile:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/hostile CPPFLAGS='$(CPPFLAGS) -DHOSTILE' check

SECONDS ?= 60

soak: $(BUILD)/soak
	@$(BUILD)/soak $(SECONDS)

MUTATIONS ?= 10000000
SEED ?= 1000000

mutations: $(BUILD)/tests/test_vmx_mutations
	@MUTATIONS=$(MUTATIONS) SEED=$(SEED) $<

# README's picture, as the view shows it now.
pictures: all
	@tools/picture $(BUILD) > $(BUILD)/picture
	@sed -e '/^ *A:[0-9.]* *walk, non-root/,/help  q quit$$/{/help  q quit$$/r $(BUILD)/picture' -e 'd;}' README.md > $(BUILD)/README.md
	@cp $(BUILD)/README.md README.md

docs: $(BUILD)/tables
	@tools/docs $(BUILD)/tables docs/machine.md docs/probes.md

C_FILES := $(SIM_SRC) $(UI_SRC) $(TEST_SRC) $(SOAK_SRC) $(TEST_LIB_SRC) $(BENCH_SRC) $(TOOL_SRC)
BARE_C_FILES := $(filter %.c,$(HV_SRC) $(GUEST_SRC) $(GUEST_LIB_SRC) $(CONFORMANCE_SRC) $(VTX_SRC) $(BENCH_IMAGE_SRC) $(KERNEL_SRC) \
    $(KERNEL_USER_SRC) $(KERNEL_USER_LIB_SRC)) bench/image/compute.c
FORMAT_FILES := $(sort $(C_FILES) $(BARE_C_FILES) \
    $(wildcard bench/*.h bench/*/*.h sim/*.h sim/*/*.h ui/*.h ui/*/*.h hv/*.h guests/*.h guests/*/*.h guests/*/*/*.h guests/*/*/*/*.h tests/*.h tests/*/*.h))
SHELL_FILES := $(wildcard bench/peer tools/setup tools/docs tools/picture tests/run .ci/run tests/e2e/*.sh hv/*.sh guests/kernel/*.sh)

# cppcheck reads lists of macros as C, and takes a test of a bound for a sign that it may be passed.
CPPCHECK_SUPPRESS := $(addprefix --suppress=,missingIncludeSystem internalAstError unknownMacro syntaxError arrayIndexOutOfBoundsCond)

lint: compile_commands.json
	@tools/setup --lint
	printf '%s\n' $(C_FILES) $(BARE_C_FILES) | xargs -P $(JOBS) -n 4 clang-tidy --quiet -p .
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,portability $(CPPCHECK_SUPPRESS) -j $(JOBS) \
	    -Isim -Iui -Itests $(C_FILES)
	shellcheck $(SHELL_FILES)
	luacheck --quiet $(wildcard scenarios/*.lua labs/*/*.lua bench/*.lua)

format:
	clang-format -i $(FORMAT_FILES)

clang_knows = $(filter-out -Wno-format-truncation $(FAT_LTO),$(1))

compile_commands.json: FORCE
	@{ printf '['; sep=''; \
	entry() { printf '%s\n{"directory":"%s","file":"%s","command":"%s"}' "$$sep" '$(CURDIR)' "$$1" "$$2 -c $$1"; sep=','; }; \
	for f in $(SIM_SRC); do entry $$f '$(CC) $(call clang_knows,$(SIM_CFLAGS))'; done; \
	for f in $(UI_SRC); do entry $$f '$(CC) $(call clang_knows,$(UI_CFLAGS))'; done; \
	for f in $(TEST_SRC) $(SOAK_SRC) $(TEST_LIB_SRC) $(BENCH_SRC) $(TOOL_SRC); do entry $$f '$(CC) $(call clang_knows,$(TEST_CFLAGS))'; done; \
	for f in $(BARE_C_FILES); do entry $$f "$(CLANG) $(BARE_CFLAGS) -I$${f%%/*} -Iguests -Iguests/kernel/user/lib"; done; \
	printf '\n]\n'; } > $@.new && { cmp -s $@.new $@ && rm $@.new || mv $@.new $@; }

# The installed tree has the layout of $(BUILD), so images are found by the same names.
SHARE = $(DESTDIR)$(PREFIX)/share/ringside
DOC = $(DESTDIR)$(PREFIX)/share/doc/ringside

install: all install-files

# What is built, without looking whether it is up to date.
install-files:
	mkdir -p '$(DESTDIR)$(PREFIX)/bin' '$(SHARE)/hv' '$(SHARE)/guests' '$(SHARE)/scenarios' '$(DOC)'
	install -m 755 $(BUILD)/ringside '$(DESTDIR)$(PREFIX)/bin/ringside'
	install -m 644 $(HV) '$(SHARE)/hv/'
	install -m 644 $(GUESTS) '$(SHARE)/guests/'
	install -m 644 $(wildcard scenarios/*.lua) '$(SHARE)/scenarios/'
	install -m 644 README.md LICENSE $(wildcard docs/*.md) '$(DOC)/'

uninstall:
	rm -f '$(DESTDIR)$(PREFIX)/bin/ringside'
	rm -rf '$(SHARE)' '$(DOC)'

clean:
	rm -rf $(BUILD) compile_commands.json

-include $(HOST_OBJ:.o=.d) $(HV_HOST_OBJ:.o=.d) $(BARE_OBJ:.o=.d)
