/* SPDX-License-Identifier: MIT
 *
 * A request's head as text: one line each for the method, the target, the
 * version and the client, then two for every header field, name and value.
 *
 * Here stand the checks that a release or another leaves out.  All of it runs
 * on the driver's thread, inside request.c's access handler; Python does not.
 */
#include <string.h>
#include <strings.h>

#include "internal.h"

/* While the header fields are walked. */
struct walk
{
  struct text *text;
  unsigned int hosts;
  unsigned int lengths;
  unsigned int codings;
  enum refusal why;
};


static bool
is (const char *name,
    size_t size,
    const char *other)
{
  return (strlen (other) == size) &&
         (0 == strncasecmp (name, other, size));
}


static bool
add_line (struct text *text,
          const char *bytes,
          size_t size)
{
  return text_add (text, bytes, size) &&
         text_add (text, "\n", 1);
}


/* A byte that would end a line of ours, or of somebody who trusts us
   (RFC 9110, 5.5). */
static bool
is_malformed (const char *bytes,
              size_t size)
{
  return (0 != size) &&
         ( (NULL != memchr (bytes, '\n', size)) ||
           (NULL != memchr (bytes, '\r', size)) ||
           (NULL != memchr (bytes, '\0', size)) );
}


/* RFC 9110, 5.6.2 */
static bool
is_token (const char *name,
          size_t size)
{
  static const char others[] = "!#$%&'*+-.^_`|~";
  size_t i;

  for (i = 0; i < size; i++)
  {
    const char c = name[i];

    if (! ( (('a' <= c) && (c <= 'z')) ||
            (('A' <= c) && (c <= 'Z')) ||
            (('0' <= c) && (c <= '9')) ||
            (('\0' != c) && (NULL != strchr (others, c))) ))
      return false;
  }
  return 0 != size;
}


/* MHD_KeyValueIteratorN */
static enum MHD_Result
on_field (void *cls,
          enum MHD_ValueKind kind,
          const char *name,
          size_t name_size,
          const char *value,
          size_t value_size)
{
  struct walk *walk = cls;

  (void) kind;
  if ( (! is_token (name, name_size)) ||
       (is_malformed (value, value_size)) )
  {
    walk->why = BAD_REQUEST;
    return MHD_NO;
  }
  walk->hosts += is (name, name_size, "Host");
  walk->lengths += is (name, name_size, "Content-Length");
  walk->codings += is (name, name_size, "Transfer-Encoding");
  if ( (! add_line (walk->text, name, name_size)) ||
       (! add_line (walk->text, value, value_size)) )
  {
    walk->why = FAILED;
    return MHD_NO;
  }
  return MHD_YES;
}


bool
head_write (struct text *text,
            struct MHD_Connection *connection,
            const char *method,
            const char *target,
            const char *version,
            enum refusal *why)
{
  struct walk walk = { .text = text, .why = REFUSALS };
  const char *address = client_address (connection);

  if ( (! add_line (text, method, strlen (method))) ||
       (! add_line (text, target, strlen (target))) ||
       (! add_line (text, version, strlen (version))) ||
       (! add_line (text, address, strlen (address))) )
  {
    *why = FAILED;
    return false;
  }
  (void) MHD_get_connection_values_n (connection,
                                      MHD_HEADER_KIND,
                                      &on_field,
                                      &walk);
  /* Two lengths, or a length beside a coding: where the body ends would be a
     matter of opinion, which is how requests are smuggled (RFC 9112, 6.3).
     Two hosts: RFC 9112, 3.2. */
  if ( (1 < walk.hosts) ||
       (1 < walk.lengths) ||
       ((0 != walk.lengths) && (0 != walk.codings)) )
    walk.why = BAD_REQUEST;
  *why = walk.why;
  return REFUSALS == walk.why;
}


bool
head_hides_nul (const char *target)
{
  return NULL != strstr (target, "%00");
}


uint64_t
head_content_length (struct MHD_Connection *connection)
{
  const char *text = MHD_lookup_connection_value (connection,
                                                  MHD_HEADER_KIND,
                                                  "Content-Length");
  uint64_t length = 0;

  /* libmicrohttpd has checked that it is a number that it can count. */
  for (; (NULL != text) && ('0' <= *text) && (*text <= '9'); text++)
    length = 10 * length + (uint64_t) (*text - '0');
  return length;
}


bool
head_expects_continue (struct MHD_Connection *connection)
{
  const char *text = MHD_lookup_connection_value (connection,
                                                  MHD_HEADER_KIND,
                                                  "Expect");

  return (NULL != text) &&
         (0 == strcasecmp (text, "100-continue"));
}
