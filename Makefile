# Leafcutter. One Makefile, no configure. `make help` lists the targets.
#
#   CROSS=aarch64-linux-gnu-  build for a board; SYSROOT is made by cross/sysroot.sh when not given
#   STATIC=1                  one file that runs anywhere, with the shipped job and model inside
#   SAN=1                     AddressSanitizer and UndefinedBehaviorSanitizer
#   DEBUG=1                   no optimisation
#   WERROR=1                  warnings are errors
#   GPIO=                     without libgpiod: pins are refused
#   SOUND=                    without ALSA: no sound comes or is heard (STATIC=1 is so, too)
#   PREFIX=/usr/local DESTDIR=  where `make install` puts things

# ---- configuration: each has its own folder build/<triple>[-san][-debug] ----

ifeq ($(origin CC),default)
CC := $(CROSS)gcc
endif
ifeq ($(origin AR),default)
AR := $(CROSS)ar
endif
PREFIX ?= /usr/local
LC_SHARED ?= ../shared/data
# Debian has riscv64 from 13 on.
SUITE ?= $(if $(filter riscv64,$(ARCH)),trixie,bookworm)
JOBS ?= 2

TRIPLE := $(shell $(CC) -dumpmachine 2>/dev/null)
ARCH := $(firstword $(subst -, ,$(TRIPLE)))
IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
KIND := $(if $(FUZZ),-fuzz,$(if $(IS_CLANG),-clang))$(if $(SAN),-san)$(if $(DEBUG),-debug)
B := build/$(TRIPLE)$(KIND)

# ---- flags ----

WARN := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wmissing-prototypes $(if $(WERROR),-Werror)
# No tables for unwinding in what is loaded (a tenth of the daemon): -g has them for debuggers.
BASE := -std=c11 $(if $(DEBUG),-O0,-O2) -g -fno-unwind-tables -fno-asynchronous-unwind-tables \
    -ffp-contract=off $(WARN)
SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
BASE += $(if $(SAN),$(SAN_FLAGS)) $(if $(FUZZ),$(SAN_FLAGS) -fsanitize=fuzzer-no-link)
LDFLAGS_ALL = $(LDFLAGS) $(if $(SAN)$(FUZZ),$(SAN_FLAGS)) $(if $(STATIC),-static)

# GCC 12 spills the tiles of GEMM kernels when it schedules before register allocation.
NO_SCHED := $(if $(IS_CLANG),,-fno-schedule-insns -fno-schedule-insns2)
KERNEL_FLAGS := -ffreestanding -fno-math-errno $(NO_SCHED)
RUNTIME_FLAGS := -ffreestanding -fno-math-errno
# Files beyond 2 GiB and times beyond 2038, where a word has 32 bits.
HOSTED_FLAGS := -D_GNU_SOURCE= -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
# Debian has no static libcjson and libmosquitto: STATIC=1 compiles the same versions from their
# source packages.
SOURCES := build/source-$(SUITE)
STATIC_LIBS := $(if $(STATIC),$(B)/static/libcjson.a $(B)/static/libmosquitto.a)
# Debian 12 has libgpiod 1.6 and Debian 13 2.x under other names: linked in, the same program runs on
# both.
GPIO ?= 1
SOUND ?= $(if $(STATIC),,1)
HOSTED_FLAGS += $(if $(GPIO),,-DLC_NO_GPIOD) $(if $(SOUND),,-DLC_NO_ALSA)
LIBS := -Wl,--as-needed $(if $(STATIC),,-lcjson -lmosquitto -lsqlite3) $(if $(GPIO),-l:libgpiod.a) \
    $(if $(SOUND),-lasound) -lssl -lcrypto -lpthread -lm

# A cross compiler looks into its own C library before the sysroot, hence -isystem and -B.
DEBIAN_aarch64 := arm64
DEBIAN_arm := armhf
ifneq ($(CROSS),)
ifeq ($(SYSROOT),)
DEBIAN_ARCH := $(or $(DEBIAN_$(ARCH)),$(ARCH))
SYSROOT := $(CURDIR)/build/sysroot-$(SUITE)$(addprefix -,$(filter-out arm64,$(DEBIAN_ARCH)))
SYSROOT_READY := $(SYSROOT)/.ready
endif
SYSROOT_LIB := $(SYSROOT)/usr/lib/$(TRIPLE)
SYSROOT_FLAGS := --sysroot=$(SYSROOT) -B$(SYSROOT_LIB) \
    -isystem $(SYSROOT)/usr/include/$(TRIPLE) -isystem $(SYSROOT)/usr/include
BASE += $(SYSROOT_FLAGS)
LDFLAGS_ALL += $(SYSROOT_FLAGS) -L$(SYSROOT_LIB)
endif

# ---- sources: a folder is an artefact ----

ELSEWHERE := $(if $(filter aarch64,$(ARCH)),,%_neon80.c %_neon53.c %_dot.c %_i8mm.c) \
    $(if $(filter x86_64,$(ARCH)),,%_avx2.c %_avx512.c)
KERNEL_SRC := $(filter-out $(ELSEWHERE),$(wildcard kernels/*.c))
RUNTIME_SRC := $(wildcard runtime/*.c)
BOARD_SRC := $(wildcard board/node/*.c board/linux/*.c)
# One static file cannot load libcurl and has no libsqlite3: it says so for the verbs that want them.
DESK_SRC := $(wildcard tools/desk.c tools/verb_upstream.c tools/upstream/*.c tools/verb_collect.c \
    tools/collect/*.c)
TOOL_SRC := $(filter-out $(if $(STATIC),$(DESK_SRC),tools/left_out.c),\
    $(wildcard tools/*.c tools/pack/*.c tools/doctor/*.c tools/upstream/*.c tools/collect/*.c))
TOOL_MAIN := tools/main.c
DAEMON_MAIN := board/linux/main.c

UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_HELP_SRC := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c)) \
    $(filter-out tests/port/board.c,$(wildcard tests/port/*.c))
KTEST_SRC := $(filter-out tests/kernels/insn_count.c,$(wildcard tests/kernels/*.c))
GOLDEN_SRC := $(wildcard tests/golden/*.c)
SIM_SRC := $(wildcard tests/sim/sim_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)

objects = $(patsubst %.c,$(B)/%.o,$(1))
CORE_OBJ := $(call objects,$(KERNEL_SRC) $(RUNTIME_SRC))
# Everything but main(): the tool and the tests link what they need of it.
REST_OBJ := $(call objects,$(filter-out $(DAEMON_MAIN) $(TOOL_MAIN),$(BOARD_SRC) $(TOOL_SRC))) \
    $(B)/board/linux/embedded.o
DAEMON := $(if $(wildcard $(DAEMON_MAIN)),$(B)/leafcutterd)

UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SRC))
KTEST_BIN := $(if $(KTEST_SRC),$(B)/tests/test_kernels)
GOLDEN_BIN := $(patsubst tests/golden/%.c,$(B)/tests/golden_%,$(GOLDEN_SRC))
SIM_BIN := $(patsubst tests/sim/%.c,$(B)/tests/%,$(SIM_SRC))
REPLAY_BIN := $(patsubst tests/fuzz/fuzz_%.c,$(B)/tests/replay_%,$(FUZZ_SRC))
ADAPTER_SEEDS := $(B)/tests/seeds/adapter-causal.leaf $(B)/tests/seeds/adapter-bert.leaf
JOB_SEEDS := $(B)/tests/seeds/tiny-job.leaf $(B)/tests/seeds/tiny-labels.leaf \
    $(B)/tests/seeds/tiny-kv.leaf
SEEDS := $(if $(CROSS)$(FUZZ),,$(B)/tests/seeds/tiny-causal.leaf $(B)/tests/seeds/tiny-bidi.leaf \
    $(B)/tests/seeds/tiny-gemma3.leaf $(B)/tests/seeds/tiny-lfm2.leaf \
    $(B)/tests/seeds/tiny-bert.leaf $(JOB_SEEDS) $(ADAPTER_SEEDS))
FUZZ_BIN := $(patsubst tests/fuzz/fuzz_%.c,$(B)/fuzz_%,$(FUZZ_SRC))
TEST_BIN := $(UNIT_BIN) $(KTEST_BIN) $(GOLDEN_BIN) $(SIM_BIN) $(if $(CROSS),,$(REPLAY_BIN))

# ---- targets ----

.PHONY: boards stack count-model count-labels mca bench-peers kl all help tests level-tests demo check check-levels check-static check-armhf check-riscv64 check-board check-cuts check-board-cuts latency check-fresh count soak mutants fuzz fuzz-programs packages install deb deb-arm64 deb-armhf clean
.DELETE_ON_ERROR:
.PRECIOUS: $(SOURCES)/%/.ready
.SUFFIXES:

all: $(B)/leafcutter $(DAEMON) $(B)/libleafcutter.a ## build tool, daemon and library (default)

help: ## list the targets
	@sed -n 's/^#   \([A-Z]*=\)/  \1/p' Makefile
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

tests: $(TEST_BIN) build/insn_count.so ## build every test program
level-tests: $(KTEST_BIN) $(GOLDEN_BIN) build/insn_count.so

# Packages come first, so these start make again once a compiler is there.
demo: ## install what is missing, build, classify 60 sensor lines, send them through a broker
	@cross/packages.sh demo
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$$($(MAKE) -s print-build)/leafcutter classify --table models/triage/demo.txt
	@tools/demo.sh $$($(MAKE) -s print-build) models/triage/demo.txt

check: ## every test on this machine and, emulated, at each ARM level
	@MAKE='$(MAKE)' JOBS=$(JOBS) SAN=$(SAN) WERROR=$(WERROR) LC_SHARED=$(LC_SHARED) tests/check.sh

check-levels: ## kernels, golden files and records as Cortex-A53, A72, A76 and newest
	@MAKE='$(MAKE)' JOBS=$(JOBS) WERROR=$(WERROR) LC_SHARED=$(LC_SHARED) tests/check.sh levels

check-static: ## the program that is one file (STATIC=1), built for ARM, emulated
	@MAKE='$(MAKE)' JOBS=$(JOBS) WERROR=$(WERROR) LC_SHARED=$(LC_SHARED) tests/check.sh static

check-armhf: ## unit tests, golden files and records on 32-bit Arm, emulated (minutes)
check-riscv64: ## golden files and records on RISC-V, emulated (minutes)
check-armhf check-riscv64: check-%:
	@MAKE='$(MAKE)' JOBS=$(JOBS) WERROR=$(WERROR) LC_SHARED=$(LC_SHARED) tests/check.sh $*

check-sizes: ## a layer of four models, T16 and T16A: the same bits at every level (minutes)
	@MAKE='$(MAKE)' JOBS=$(JOBS) WERROR=$(WERROR) LC_SHARED=$(LC_SHARED) tests/check.sh sizes

check-board: ## the package on a board with Debian's kernel (SUITE), pins seen from outside
	@MAKE='$(MAKE)' JOBS=$(JOBS) WERROR=$(WERROR) SUITE=$(SUITE) tests/check.sh board

check-cuts: ## IMAGES=80 disks as of power cuts: the daemon starts on each (root; 1 minute)
	@MAKE='$(MAKE)' JOBS=$(JOBS) WERROR=$(WERROR) IMAGES=$(or $(IMAGES),80) tests/check.sh cuts

latency: ## from a pin and from a line to an output, in the emulated board's instructions
	@cross/packages.sh board
	@$(MAKE) --no-print-directory -j$(JOBS) CROSS=aarch64-linux-gnu- SUITE=bookworm deb
	@$(MAKE) --no-print-directory $(VM)/root.cpio
	@LC_VM=$(VM) LC_DEBS=build/deb PYTHONDONTWRITEBYTECODE=1 tests/board/latency.py
check-board-cuts: ## the same of a board in QEMU (SUITE), its relay watched (3 minutes)
	@MAKE='$(MAKE)' JOBS=$(JOBS) WERROR=$(WERROR) SUITE=$(SUITE) IMAGES=$(IMAGES) tests/check.sh board-cuts

check-fresh: ## demo and check, twice, in a bare Debian 12 made by debootstrap (root; minutes)
	@tests/debootstrap.sh

count: build/insn_count.so ## instructions of the shipped job on Arm cores, a line and a cold start
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory CROSS=aarch64-linux-gnu- -j$(JOBS) all
	@NATIVE=$(B)/leafcutter tests/perf/line.sh build/aarch64-linux-gnu/leafcutter build/insn_count.so \
	    $$($(MAKE) -s CROSS=aarch64-linux-gnu- print-sysroot)

soak: all ## the daemon for long: faults of five minutes, a day's lines, every CPU (70 minutes)
	@LC_BUILD=$(B) tests/mqtt/soak.sh

topics: all ## make board/TOPICS.md anew: topics and payloads, with examples of a run
	@LC_BUILD=$(B) tests/mqtt/tells.py --write

mutants: all tests ## mistakes planted where lines escalate: sim_escalate finds each (2 minutes)
	@LC_BUILD=$(B) CC='$(CC)' tests/sim/mutants.py

count-model: build/insn_count.so all ## instructions of a token of four models on Arm cores (minutes)
	@$(MAKE) --no-print-directory CROSS=aarch64-linux-gnu- -j$(JOBS) all
	@tests/perf/counts.py build/aarch64-linux-gnu/leafcutter build/insn_count.so \
	    $$($(MAKE) -s CROSS=aarch64-linux-gnu- print-sysroot) $(B)/leafcutter \
	    $(addprefix --model ,$(MODEL)) $(if $(HOT),--hot) $(if $(PEER),--peer)

count-labels: build/insn_count.so all ## instructions of scoring 8 labels after a stored prompt
	@$(MAKE) --no-print-directory CROSS=aarch64-linux-gnu- -j$(JOBS) all
	@tests/perf/labels.sh build/aarch64-linux-gnu/leafcutter build/insn_count.so \
	    $$($(MAKE) -s CROSS=aarch64-linux-gnu- print-sysroot) $(B)/leafcutter $(MODEL)

count-load: build/insn_count.so all ## packing and loading a 0.5B model, beside llama.cpp (minutes)
	@$(MAKE) --no-print-directory CROSS=aarch64-linux-gnu- -j$(JOBS) all
	@tests/perf/load.py $(B)/leafcutter --model $(or $(MODEL),qwen2.5-0.5b) \
	    --arm build/aarch64-linux-gnu/leafcutter \
	    $$($(MAKE) -s CROSS=aarch64-linux-gnu- print-sysroot) build/insn_count.so

kl: all ## loss of packing against F32 and Q4_0; KL=--small in a minute, KL="--clinc FILE" more
	@tests/perf/kl.py $(B)/leafcutter $(KL)

mca: ## cycles of each kernel's loop by models of Cortex-A53, A72, Neoverse N1 and N2
	@$(MAKE) --no-print-directory CROSS=aarch64-linux-gnu- -j$(JOBS) all
	@tests/perf/cycles.py build/aarch64-linux-gnu $(wildcard build/models/linux-arm64/bins/linux-arm64)

stack: ## bytes of stack that entry points of the library take at most on Arm
	@$(MAKE) --no-print-directory CROSS=aarch64-linux-gnu- -j$(JOBS) all
	@tests/perf/stack.py build/aarch64-linux-gnu/leafcutter

boards: all ## estimates of speed and memory for known small models: writes cross/boards.md
	@tests/perf/boards.py $(B)/leafcutter build/boards > cross/boards.md

bench-peers: build/insn_count.so all ## beside llama.cpp, fetched from npm; NO_ARM=1 README=1
	@$(MAKE) --no-print-directory CROSS=aarch64-linux-gnu- -j$(JOBS) all
	@tests/perf/bench_peers.py $(B)/leafcutter --cycles build/aarch64-linux-gnu \
	    $(if $(NO_ARM),,--arm build/aarch64-linux-gnu/leafcutter \
	    $$($(MAKE) -s CROSS=aarch64-linux-gnu- print-sysroot) build/insn_count.so) \
	    $(addprefix --rounds ,$(ROUNDS)) $(if $(AGAIN),--again) $(if $(README),--readme README.md)

fuzz: $(SEEDS) ## fuzz every parser with clang, FUZZ_SECONDS each (60)
	@$(MAKE) --no-print-directory CC=clang FUZZ=1 fuzz-programs
	@tests/fuzz/run.sh $$($(MAKE) -s CC=clang FUZZ=1 print-build) $(B)/tests/seeds

fuzz-programs: $(FUZZ_BIN)

packages: ## install the Debian packages that build, demo and check need
	@cross/packages.sh check

# Man pages are what the programs say of themselves, so a cross build needs an emulator to make them.
EMULATOR := $(if $(CROSS),$(shell command -v qemu-$(ARCH) || echo no))
MAN := $(if $(filter no,$(EMULATOR)),,$(B)/man/leafcutter.1 $(B)/man/leafcutterd.8)
RUN := $(if $(filter-out no,$(EMULATOR)),$(EMULATOR) -L $(SYSROOT))

install: all $(MAN) ## install programs, library, headers, the shipped job, man pages, systemd unit
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib share/leafcutter/models/triage)
	install -d $(addprefix $(DESTDIR)$(PREFIX)/include/leafcutter/,kernels runtime)
	install -m 755 $(B)/leafcutter $(DAEMON) $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(B)/libleafcutter.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 $(wildcard kernels/*.h) $(DESTDIR)$(PREFIX)/include/leafcutter/kernels/
	install -m 644 $(wildcard runtime/*.h) $(DESTDIR)$(PREFIX)/include/leafcutter/runtime/
	install -m 644 $(wildcard models/triage/*) $(DESTDIR)$(PREFIX)/share/leafcutter/models/triage/
	tools/dist/install.sh $(DESTDIR)$(PREFIX) $(PREFIX) $(MAN)

deb: all $(MAN) ## Debian packages for the architecture that is built, in build/deb
	@rm -rf build/deb/$(TRIPLE)
	@$(MAKE) --no-print-directory -s install DESTDIR=$(CURDIR)/build/deb/$(TRIPLE) PREFIX=/usr
	@tools/dist/deb/build.sh build/deb/$(TRIPLE) $(TRIPLE) build/deb

# Boards that Debian has packages for; the compiler comes first, as above.
TRIPLE_arm64 := aarch64-linux-gnu
TRIPLE_armhf := arm-linux-gnueabihf
deb-arm64: ## the packages for 64-bit boards, on a Debian that has only make
deb-armhf: ## the same for 32-bit boards
deb-arm64 deb-armhf: deb-%:
	@cross/packages.sh $*
	@$(MAKE) --no-print-directory -j$(JOBS) CROSS=$(TRIPLE_$*)- deb

clean: ## remove build/, but keep what was downloaded
	find build -mindepth 1 -maxdepth 1 ! -name 'sysroot-*' ! -name 'source-*' ! -name vm -exec rm -rf {} +

# For scripts: where things are in this configuration.
.PHONY: print-build print-sysroot print-tests print-level-tests
print-build:
	@echo $(B)
print-sysroot:
	@echo $(or $(SYSROOT),/)
print-tests:
	@printf '%s\n' $(TEST_BIN)
print-level-tests:
	@printf '%s\n' $(KTEST_BIN) $(GOLDEN_BIN)

# ---- programs ----

# Quiet by default: `make V=1` shows the commands.
SAY = $(if $(V),,@printf '  %-7s %s\n' $(1) $@;)

$(B)/man/%: $(B)/leafcutter $(DAEMON) $(wildcard tools/dist/man/*)
	@mkdir -p $(@D)
	$(call SAY,man)tools/dist/man/make.sh $(basename $(@F)) $(RUN) $(B)/$(basename $(@F)) > $@

# A group, because the core calls lc_panic, which the board supplies.
INPUTS = $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group
LINK = $(call SAY,link)$(CC) $(LDFLAGS_ALL) -o $@ $(INPUTS) $(LIBS)
# A new file each time: an archive must not keep members whose source has gone.
ARCHIVE = $(call SAY,archive)rm -f $@.new && $(AR) rcs $@.new $(filter %.o,$^) && mv $@.new $@

$(B)/libleafcutter.a: $(CORE_OBJ)
	$(ARCHIVE)
$(B)/librest.a: $(REST_OBJ) $(B)/.link
	$(ARCHIVE)
$(B)/tests/libhelp.a: $(call objects,$(UNIT_HELP_SRC))
	$(ARCHIVE)

$(B)/leafcutter: $(call objects,$(TOOL_MAIN))
$(B)/leafcutterd: $(call objects,$(DAEMON_MAIN))
$(B)/leafcutter $(B)/leafcutterd: $(B)/librest.a $(B)/libleafcutter.a $(STATIC_LIBS) $(B)/.link
	$(LINK)

$(UNIT_BIN): $(B)/tests/%: $(B)/tests/unit/%.o $(B)/tests/libhelp.a \
        $(B)/librest.a $(B)/libleafcutter.a
	$(LINK) -lcmocka
$(GOLDEN_BIN): $(B)/tests/golden_%: $(B)/tests/golden/%.o $(B)/librest.a $(B)/libleafcutter.a
	$(LINK) -lcmocka
$(SIM_BIN): $(B)/tests/%: $(B)/tests/sim/%.o $(B)/librest.a $(B)/libleafcutter.a
	$(LINK)
# Static, so that its instructions can be counted; binutils 2.40 crashes over Debian 13's libc.a.
KTEST_STATIC := $(if $(filter aarch64 arm,$(ARCH)),$(if $(CROSS),-static))
$(KTEST_BIN): $(call objects,$(KTEST_SRC)) $(B)/libleafcutter.a
	$(call SAY,link)$(CC) $(LDFLAGS_ALL) $(KTEST_STATIC) -o $@ $(filter %.o %.a,$^) -lm
$(REPLAY_BIN): $(B)/tests/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o \
        $(B)/tests/fuzz/common.o $(B)/tests/libhelp.a $(B)/librest.a $(B)/libleafcutter.a $(SEEDS)
	$(LINK)
$(FUZZ_BIN): $(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/common.o \
        $(B)/tests/libhelp.a $(B)/librest.a $(B)/libleafcutter.a
	$(call SAY,link)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $(INPUTS) $(LIBS)

# Counts instructions under an emulator, so it is for this machine in every configuration.
build/insn_count.so: tests/kernels/insn_count.c
	@mkdir -p build
	$(call SAY,link)$(if $(CROSS),gcc,$(CC)) -std=c11 -O2 -shared -fPIC -o $@ $<

# What a command says matters only when it fails.
HUSH = > $@.log 2>&1 || { cat $@.log; exit 1; }

# Seeds are packed by the tool that was just built, so they are always of today's format.
$(B)/tests/seeds/%.leaf: models/golden/%.gguf $(if $(CROSS),,$(B)/leafcutter)
	@mkdir -p $(@D)
	$(call SAY,seed)$(B)/leafcutter pack $< -o $@ $(HUSH)
$(B)/tests/seeds/tiny-prompt.txt: tests/fuzz/tiny-prompt.txt
	@mkdir -p $(@D) && cp $< $@
$(JOB_SEEDS): $(B)/tests/seeds/%.leaf: tests/fuzz/%.json $(B)/tests/seeds/tiny-prompt.txt \
    $(B)/tests/seeds/tiny-bidi.leaf $(B)/tests/seeds/tiny-causal.leaf
	@cp $< $(@D)
	$(call SAY,seed)$(B)/leafcutter job build $(@D)/$*.json -o $@ $(HUSH)

$(B)/tests/seeds/adapter-causal.leaf: models/golden/adapters/causal-qv.gguf
$(B)/tests/seeds/adapter-bert.leaf: models/golden/adapters/bert
$(ADAPTER_SEEDS): $(B)/tests/seeds/adapter-%.leaf: $(B)/tests/seeds/tiny-%.leaf
	$(call SAY,seed)$(B)/leafcutter pack --adapter $(filter models/%,$^) --base $< -o $@ $(HUSH)

# A board in QEMU: Debian's kernel and a small Debian, made once.
VM := build/vm/$(SUITE)
$(VM)/kernel/vmlinuz: cross/vm/kernel.sh
	$(call SAY,vm)cross/vm/kernel.sh $(SUITE) $(@D)
$(VM)/root.cpio: cross/vm/root.sh cross/vm/init.sh $(VM)/kernel/vmlinuz
	$(call SAY,vm)cross/vm/root.sh $(SUITE) $(VM)/kernel $@

# ---- objects ----

$(B)/kernels/%.o: AREA = $(KERNEL_FLAGS)
$(B)/runtime/%.o: AREA = $(RUNTIME_FLAGS)
$(B)/board/%.o $(B)/tools/%.o $(B)/tests/%.o: AREA = $(HOSTED_FLAGS)
$(B)/tests/kernels/%.o: AREA = $(HOSTED_FLAGS) -iquote kernels -iquote tests/kernels

$(B)/kernels/%_dot.o: LEVEL = -march=armv8.2-a+dotprod
$(B)/kernels/%_i8mm.o: LEVEL = -march=armv8.2-a+dotprod+i8mm
$(B)/kernels/%_avx2.o: LEVEL = -mavx2 -mf16c -mno-fma
$(B)/kernels/%_avx512.o: LEVEL = -mavx512f -mavx512bw -mavx512vl -mavx512vnni

COMMIT := $(shell git rev-parse --short=10 HEAD 2>/dev/null)
# Only a file that says LC_VERSION is compiled again when the commit changes.
VERSION_OBJ := $(call objects,$(shell grep -l LC_VERSION $(BOARD_SRC) $(TOOL_SRC) /dev/null))
$(VERSION_OBJ): EXTRA = -include $(B)/version.h
$(VERSION_OBJ): $(B)/version.h

$(B)/%.o: %.c $(B)/.flags | $(SYSROOT_READY)
	@mkdir -p $(@D)
	$(call SAY,compile)$(CC) $(BASE) $(AREA) $(LEVEL) $(EXTRA) $(CPPFLAGS) $(CFLAGS) \
	    -MMD -MP -c -o $@ $<

SHIPPED := $(wildcard models/triage/triage.leaf models/triage/trunk.leaf)
$(B)/board/linux/embedded.o: board/linux/embedded.S $(B)/.link $(if $(STATIC),$(SHIPPED))
	@mkdir -p $(@D)
	$(call SAY,compile)$(CC) $(if $(STATIC),-DLC_EMBED) -c -o $@ $<

# ---- what a rebuild depends on besides files ----

# write-if-changed: the file's time moves only when its text does.
define write-if-changed
@mkdir -p $(@D)
@echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
endef

.PHONY: always
$(B)/.flags: always
	$(call write-if-changed,$(CC) $(BASE) $(KERNEL_FLAGS) $(RUNTIME_FLAGS) $(HOSTED_FLAGS) \
	    $(CPPFLAGS) $(CFLAGS))
$(B)/.link: always
	$(call write-if-changed,$(CC) $(LDFLAGS_ALL) $(LIBS) $(STATIC))
$(B)/version.h: always
	$(call write-if-changed,#define LC_VERSION "$(shell cat VERSION)$(addprefix +,$(COMMIT))")

# Other people's source: none of our warnings.
FOREIGN = $(CC) -O2 -g -w $(SYSROOT_FLAGS) -c
$(B)/static/libcjson.a: $(SOURCES)/cjson/.ready $(B)/.flags | $(SYSROOT_READY)
	@mkdir -p $(@D)/cjson
	$(call SAY,static)$(FOREIGN) -o $(@D)/cjson/cJSON.o $(<D)/cJSON.c
	@rm -f $@ && $(AR) rcs $@ $(@D)/cjson/*.o
MOSQUITTO_FLAGS = -DVERSION='"$(SUITE)"' -DWITH_THREADING -DWITH_TLS -DWITH_TLS_PSK -DWITH_EC \
    $(addprefix -I$(<D)/,. include lib deps src)
$(B)/static/libmosquitto.a: $(SOURCES)/mosquitto/.ready $(B)/.flags | $(SYSROOT_READY)
	@mkdir -p $(@D)/mosquitto
	$(call SAY,static)for source in $(<D)/lib/*.c; do \
	    $(FOREIGN) $(MOSQUITTO_FLAGS) -o $(@D)/mosquitto/$$(basename $$source).o $$source || exit; \
	done
	@rm -f $@ && $(AR) rcs $@ $(@D)/mosquitto/*.o
$(SOURCES)/%/.ready: cross/source.sh
	cross/source.sh $* $(SUITE) $(@D)
$(SYSROOT_READY): cross/sysroot.sh
	cross/sysroot.sh $(SUITE) $(SYSROOT) $(DEBIAN_ARCH)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
