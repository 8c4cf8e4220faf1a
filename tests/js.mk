# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# @ahora/client. Needs node and npm; without them it says so. What runs is named by a word: make js JS_TESTS="line react"

.PHONY: js
js: $(BUILD)/ahorad ## test the JavaScript client (JS_TESTS="scenarios property" for some)
	@AHORAD=$(abspath $(BUILD)/ahorad) clients/js/scripts/run.sh $(JS_TESTS)
