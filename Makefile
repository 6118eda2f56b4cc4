# vecna: `make run` shows the main job, `make test` runs every test, both after installing what is missing.
#
#   make            build/vecna, build/libvecna.so, build/libvecna.a, build/vecna.pc
#   make deps       install what is missing (apt; sudo only when not root; never asks)
#   make run        the main job on the real vectors of examples/
#   make test       unit, command line and reference tests, built with address and undefined sanitizers
#   make lint       layers, formatting, naming, headers alone as C11 and C++17, strict warnings
#   make neon       the ARM kernels: cross-compiled, and run under QEMU where that is installed
#   make format     clang-format over the tree
#   make fuzz       every fuzzer for FUZZ_SECONDS (30)
#   make bench      every driver of bench/
#   make install    into PREFIX (/usr/local), below DESTDIR

# ---- what is built ---------------------------------------------------------------------------------
# One list per module, in the order of LAYERS.
MODULES := base codec wire linalg metric format space adapt choose cluster search eval translate text image model train plane
LIB_SRC := $(foreach module,$(MODULES),$(sort $(wildcard lib/$(module)/*.c lib/$(module)/*/*.c)))
CLI_SRC := $(sort $(wildcard cli/*.c))
# `vecna serve`: linked into the command and the unit tests, never into the library.
SERVER_MODULES := net pool proxy dash
SERVER_SRC := $(foreach module,$(SERVER_MODULES),$(sort $(wildcard server/$(module)/*.c)))
UNIT_SRC := $(sort $(wildcard tests/unit/*/*_test.c))
SUPPORT_SRC := $(sort $(wildcard tests/unit/support/*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*.c))
BENCH_SRC := $(sort $(wildcard bench/*.c bench/serve/*.c))
C_FILES := $(sort $(shell find lib include cli tests bench bindings server examples \
             \( -name '*.c' -o -name '*.h' \) 2>/dev/null))

PREFIX ?= /usr/local
VERSION := $(shell awk '/define VECNA_VERSION "/ {gsub(/"/, "", $$3); print $$3}' include/vecna/base.h)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))

# ---- how -------------------------------------------------------------------------------------------
CC ?= cc
CLANG ?= clang-14
CLANG_FORMAT ?= clang-format-14
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wcast-qual -Wvla \
            -Wstrict-prototypes -Wmissing-prototypes
# -ffp-contract=off: seeds and golden figures are the same with and without fused multiply-add.
BASE_FLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude -Ilib -Iserver -I. -fPIC -fvisibility=hidden \
              -ffp-contract=off -pthread $(WARNINGS)
ifeq ($(CI),true)
BASE_FLAGS += -Werror
endif
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

# MODE is release (default), asan (make test) or fuzz (make fuzz).
MODE ?= release
OUT := build/$(MODE)
MODE_FLAGS_release := -O3 -g -DNDEBUG
MODE_FLAGS_asan := -O1 -g $(SANITIZE)
MODE_FLAGS_fuzz := -O1 -g $(SANITIZE) -fsanitize=fuzzer-no-link
ifeq ($(MODE),fuzz)
CC := $(CLANG)
endif
ALL_CFLAGS := $(BASE_FLAGS) $(MODE_FLAGS_$(MODE)) $(CFLAGS)
LINK_FLAGS := $(MODE_FLAGS_$(MODE)) -pthread $(LDFLAGS)
LIBS := -ldnnl -lgomp -lutf8proc -llzma -lz -ldl -lm
# OpenSSL is net's, libcurl pool's, libyaml and SQLite proxy's.
SERVER_LIBS := -lcurl -lyaml -lsqlite3 -lssl -lcrypto
# Pictures are the command's alone.
CLI_LIBS := -lcairo

LIB_OBJ := $(LIB_SRC:%.c=$(OUT)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(OUT)/%.o)
SERVER_OBJ := $(SERVER_SRC:%.c=$(OUT)/%.o)
SUPPORT_OBJ := $(SUPPORT_SRC:%.c=$(OUT)/%.o)
UNIT_BIN := $(UNIT_SRC:%.c=$(OUT)/%)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(OUT)/%)
BENCH_BIN := $(BENCH_SRC:%.c=$(OUT)/%)

.PHONY: all deps run test unit lint neon format fuzz bench install clean binaries
.DELETE_ON_ERROR:
.SECONDARY:

all: build/libvecna.so build/libvecna.a build/vecna.pc $(if $(CLI_SRC),build/vecna)

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# page.html is taken in by the assembler, which tells nobody.
$(OUT)/server/dash/page.o: server/dash/page.html

# All objects as one: the linkers below see the whole library, the tests its private functions too.
$(OUT)/libvecna.o: $(LIB_OBJ)
	$(LD) -r -o $@ $(LIB_OBJ)

$(OUT)/server.o: $(SERVER_OBJ)
	$(LD) -r -o $@ $(SERVER_OBJ)

$(OUT)/vecna: $(CLI_OBJ) $(OUT)/server.o $(OUT)/libvecna.o
	$(CC) $(LINK_FLAGS) -o $@ $^ $(CLI_LIBS) $(SERVER_LIBS) $(LIBS)

$(OUT)/cli/plot_html.o: cli/plot_page.html
$(OUT)/cli/embed_model.o: models/MiniLM-static.vecna

build/vecna: $(OUT)/vecna
	@cp -f $< $@

build/libvecna.so: $(OUT)/libvecna.o
	$(CC) $(LINK_FLAGS) -shared -Wl,-soname,libvecna.so.$(SOVERSION) -Wl,-z,defs -o $@ $< $(LIBS)

# The archive shows what the shared library shows: hidden symbols become local.
build/libvecna.a: $(OUT)/libvecna.o
	objcopy --localize-hidden $< $(OUT)/libvecna-public.o
	rm -f $@
	$(AR) rcs $@ $(OUT)/libvecna-public.o

# $(call pkg_config,PREFIX): the text of vecna.pc.
define pkg_config
prefix=$(1)
libdir=$${prefix}/lib
includedir=$${prefix}/include

Name: vecna
Description: translate embeddings between dimensions and models
Version: $(VERSION)
Cflags: -I$${includedir}
Libs: -L$${libdir} -lvecna
Libs.private: $(LIBS) -pthread
endef
export PKG_CONFIG_TEXT = $(call pkg_config,$(PREFIX))

build/vecna.pc: Makefile include/vecna/base.h
	@mkdir -p build
	@printf '%s\n' "$$PKG_CONFIG_TEXT" > $@

$(OUT)/tests/unit/%_test: $(OUT)/tests/unit/%_test.o $(SUPPORT_OBJ) $(OUT)/server.o $(OUT)/libvecna.o
	$(CC) $(LINK_FLAGS) -o $@ $^ -lcmocka $(SERVER_LIBS) $(LIBS)

$(OUT)/tests/fuzz/%: $(OUT)/tests/fuzz/%.o $(OUT)/server.o $(OUT)/libvecna.o
	$(CC) $(LINK_FLAGS) -fsanitize=fuzzer -o $@ $^ $(SERVER_LIBS) $(LIBS)

# What the command alone reads.
$(OUT)/tests/fuzz/cli_%: $(OUT)/tests/fuzz/cli_%.o $(filter-out $(OUT)/cli/main.o,$(CLI_OBJ)) $(OUT)/server.o $(OUT)/libvecna.o
	$(CC) $(LINK_FLAGS) -fsanitize=fuzzer -o $@ $^ $(CLI_LIBS) $(SERVER_LIBS) $(LIBS)

$(OUT)/bench/%: $(OUT)/bench/%.o $(OUT)/server.o $(OUT)/libvecna.o
	$(CC) $(LINK_FLAGS) -o $@ $^ $(SERVER_LIBS) $(LIBS)

binaries: $(UNIT_BIN) $(if $(CLI_SRC),$(OUT)/vecna)

# ---- what people type --------------------------------------------------------------------------------
deps:
	@scripts/deps.sh

run: deps
	@echo "== building the library and the command"
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@scripts/run.sh

test: deps
	@echo "== building the library, the command and the tests with sanitizers"
	@$(MAKE) --no-print-directory -s -j$$(nproc) MODE=asan binaries
	@scripts/test.sh build/asan

unit:
	@$(MAKE) --no-print-directory -s -j$$(nproc) MODE=asan binaries
	@scripts/test.sh build/asan unit $(ONLY)

lint:
	@scripts/lint.sh

neon:
	@scripts/check_neon.sh

format:
	$(CLANG_FORMAT) -i $(C_FILES)

fuzz: deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) MODE=fuzz fuzz-binaries
	@scripts/fuzz.sh

fuzz-binaries: $(FUZZ_BIN)

bench: all
	@$(MAKE) --no-print-directory -s bench-binaries
	@scripts/bench.sh

bench-binaries: $(BENCH_BIN)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/vecna
	install -m 755 build/vecna $(DESTDIR)$(PREFIX)/bin/vecna
	install -m 755 build/libvecna.so $(DESTDIR)$(PREFIX)/lib/libvecna.so.$(VERSION)
	ln -sf libvecna.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libvecna.so.$(SOVERSION)
	ln -sf libvecna.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/libvecna.so
	install -m 644 build/libvecna.a $(DESTDIR)$(PREFIX)/lib/libvecna.a
	printf '%s\n' "$$PKG_CONFIG_TEXT" > $(DESTDIR)$(PREFIX)/lib/pkgconfig/vecna.pc
	install -m 644 include/vecna.h $(DESTDIR)$(PREFIX)/include/vecna.h
	install -m 644 include/vecna/*.h $(DESTDIR)$(PREFIX)/include/vecna/
	install -d $(DESTDIR)$(PREFIX)/share/vecna/maps
	set -- maps/*.vecna; [ ! -e "$$1" ] || install -m 644 maps/*.vecna maps/*.json $(DESTDIR)$(PREFIX)/share/vecna/maps/

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
