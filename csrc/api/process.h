/* SPDX-License-Identifier: MIT
 *
 * Versions and the process.
 */
#pragma once

unsigned int
pymhd_header_version (void);

void
pymhd_forked (void);
