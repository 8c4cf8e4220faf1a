# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# What the broker says of its API against what it does. Needs node and npm; without them it says so.

.PHONY: api
api: $(BUILD)/ahorad ## lint /openapi.json and /asyncapi.json, call all of it, hold the answers against them
	@tests/api/run.sh $(BUILD)/ahorad
