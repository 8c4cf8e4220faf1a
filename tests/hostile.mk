# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Peers that mean no good, against the real broker (AHORAD, default build/ahorad): tests/hostile.

SCENE := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/integration/scene*.c))

$(BUILD)/tests/hostile/rfc6455: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/hostile/rfc6455*.c)) \
		$(addprefix $(BUILD)/obj/tests/hostile/,frame_script.o raw_peer.o) $(SCENE) $(BUILD)/libsupport.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lmsgpackc -ljansson -lz -lm -lcmocka

$(BUILD)/tests/hostile/siege: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/hostile/siege*.c)) \
		$(BUILD)/obj/tests/hostile/frame_script.o $(SCENE) $(BUILD)/libsupport.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lmsgpackc -ljansson -lz -lm -lcmocka

$(BUILD)/tests/hostile/mangle: $(addprefix $(BUILD)/obj/tests/hostile/,mangle.o frame_script.o raw_peer.o) \
		$(SCENE) $(BUILD)/libsupport.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lmsgpackc -ljansson -lz -lm -lcmocka

.PHONY: hostile
hostile: all $(addprefix $(BUILD)/tests/hostile/,rfc6455 siege mangle) ## build the hostile peers

.PHONY: hostile-suites
hostile-suites: $(BUILD)/ahorad ## suites of other people against the broker: JSON, MessagePack, naughty names (needs node and npm)
	@tests/hostile/suites/run.sh $(BUILD)/ahorad
