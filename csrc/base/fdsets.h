/* SPDX-License-Identifier: MIT
 *
 * What a select() is to watch, and what it has said.
 */
#pragma once

#include <sys/select.h>

struct fdsets
{
  fd_set read;
  fd_set write;
  fd_set except;
};
