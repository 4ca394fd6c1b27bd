/* SPDX-License-Identifier: MIT
 *
 * Answers that come again.
 */
#pragma once

struct pymhd_answer;
struct pymhd_response;
struct repeat;
struct requests;

/* The response to send for an answer that has come before: the daemon's, as long
   as no other call is made.  NULL: the answer has not.  BYTES: the body, then
   the fields. */
struct pymhd_response *
response_cache_find (struct requests *requests,
                     const struct pymhd_answer *answer,
                     const char *bytes);

void
response_cache_free (struct requests *requests);
