# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# The pages in Debian's Chromium. Needs node, npm and chromium; without them it says so.

.PHONY: web
web: $(BUILD)/ahorad ## the pages in Chromium (WEB="demo line": only cases with these words in their names)
	@tests/web/run.sh $(BUILD)/ahorad $(WEB)

.PHONY: screenshots
screenshots: ## draw the pictures of the README anew, docs/img/*.png (installs chromium, a font and pngquant)
	@packaging/deps.sh screenshots
	@$(MAKE) --no-print-directory -j2 all
	@cd tests/web && npm ci --ignore-scripts --no-audit --no-fund >/dev/null
	@node tests/web/screenshots.mjs $(BUILD) docs/img
