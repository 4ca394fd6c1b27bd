/* SPDX-License-Identifier: MIT
 *
 * A request's head: as text for Python, and what it says.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

#include "http/response.h"

struct buffer;
struct request;

/* Bytes of somebody else's. */
struct span
{
  const char *at;
  size_t size;
};

/* Where its lines lie. */
struct layout
{
  const char *next;             /* where the next line is to begin */
  const char *body;             /* where the body is to begin, if that is unsure */
  bool is_broken;               /* a line did not, or does not end in CRLF */
};

/* What head.c has read, for the rules of head_rules.c. */
struct head
{
  struct buffer *text;            /* for Python; it begins with the target */
  struct span method;
  struct span target;           /* as it was received */
  struct span authority;        /* of an absolute target; else size 0 */
  const char *received_at;      /* the target, in libmicrohttpd's buffer */
  struct span version;
  struct span host;             /* the last Host field's value */
  uint64_t length;              /* Content-Length, 0 without one */
  unsigned int hosts;           /* how many fields of each there are */
  unsigned int lengths;
  unsigned int codings;
  bool target_is_malformed;
  bool field_is_malformed;
  bool coding_is_unknown;       /* the body's end cannot be found */
  struct layout layout;
};

/* --- head.c --- */

/* Reads the request's line and its fields.  Adds to the target in the request's
   text a line each for it, the method, the version and the client, then two for
   each field.  REFUSALS, or how to refuse what breaks a rule; FAILED if memory
   is short. */
enum refusal
head_read (struct head *head,
           struct request *request,
           struct MHD_Connection *connection,
           const char *method,
           const char *version);

/* Reads the trailer of a body in chunks.  REFUSALS, or BAD_REQUEST if it breaks a
   rule. */
enum refusal
head_read_trailer (struct MHD_Connection *connection);

/* --- layout.c --- */

/* Whether this release leaves the lines where they were received. */
bool
layout_is_known (void);

/* A line ends at END, where libmicrohttpd has put NULs over CR and LF. */
void
layout_end_line (struct layout *layout,
                 const char *end);

/* A field, in the order in which they were received. */
void
layout_add (struct layout *layout,
            struct span name,
            struct span value);

/* The header, which begins with the method at BEGIN, ends with an empty line. */
void
layout_end (struct layout *layout,
            struct MHD_Connection *connection,
            const char *begin);

/* --- head_rules.c --- */

/* How to refuse the request; REFUSALS if it breaks no rule. */
enum refusal
head_judge (const struct head *head);

/* A field's name (RFC 9110, 5.6.2). */
bool
rules_token (struct span name);

/* A field's value (RFC 9110, 5.5). */
bool
rules_value (struct span value);

/* --- target.c --- */

/* Whether the target has one of the forms of RFC 9112, 3.2, but for that of
   CONNECT.  Finds the authority in an absolute one. */
bool
target_parse (struct span target,
              bool options,
              struct span *authority);

/* uri-host [ ":" port ] (RFC 3986, 3.2.2), not empty. */
bool
target_is_authority (struct span authority);
