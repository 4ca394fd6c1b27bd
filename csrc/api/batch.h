/* SPDX-License-Identifier: MIT
 *
 * What a pump brings to Python, a batch of events, and what it takes back,
 * a batch of answers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum pymhd_event_kind
{
  PYMHD_EVENT_REQUEST,
  PYMHD_EVENT_UPGRADED,
  PYMHD_EVENT_ABANDONED
};

/* Bytes of a body, of a request or an answer, up to which it goes along with the
   rest; a larger one stays where it is. */
enum pymhd_along
{
  PYMHD_ALONG = 16384
};

/* The lines of a request's head, as text; from FIELDS on there are names and
   values, a line each. */
enum pymhd_head_line
{
  PYMHD_HEAD_TARGET,
  PYMHD_HEAD_METHOD,
  PYMHD_HEAD_VERSION,
  PYMHD_HEAD_CLIENT,
  PYMHD_HEAD_FIELDS
};

/* Five integers, so that Python unpacks a whole batch in one call.  The text of each
   begins where the one before it ends.  A request has a body: at an address, or, where
   that is 0, at the end of its text; an upgrade has a session and a descriptor. */
struct pymhd_event
{
  int64_t kind;
  int64_t request;
  int64_t text_end;
  union
  {
    int64_t body;
    int64_t session;
  };
  union
  {
    int64_t body_size;
    int64_t fd;
  };
};

/* Followed by body_size bytes of a body and fields_size bytes of fields, unless
   the response is shared: then its address stands here. */
struct pymhd_answer
{
  int64_t request;
  int64_t shared;
  uint32_t status;
  uint32_t body_size;
  uint32_t fields_size;
  uint32_t padding;
};

/* Valid until the next call. */
struct pymhd_batch
{
  const struct pymhd_event *events;
  const char *text;
  size_t text_size;
  int count;
  int returned;                 /* pymhd_zero_copy_take() has something to give */
};
