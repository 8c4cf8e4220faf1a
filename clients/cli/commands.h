/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The commands. Each checks its arguments, works, and returns the exit code; `cli` is prepared by main.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "clients/cli/cli.h"

int command_pub(struct cli *cli);
int command_put(struct cli *cli);
int command_patch(struct cli *cli);
int command_adjust(struct cli *cli);
int command_touch(struct cli *cli);
int command_delete(struct cli *cli);
int command_get(struct cli *cli);
int command_sub(struct cli *cli);
int command_replay(struct cli *cli);
int command_status(struct cli *cli);
int command_top(struct cli *cli);   /* top.c */
int command_admin(struct cli *cli); /* admin.c */
int command_range(struct cli *cli); /* range.c */
int command_token(struct cli *cli); /* token.c */
int command_key(struct cli *cli);   /* key.c */

/* `ahora pub -l` (lines.c) */
int command_pub_lines(struct cli *cli);

#endif
