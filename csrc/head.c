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
  const char *end;              /* of the last value, in libmicrohttpd's buffer */
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


static bool
is_blank (char c)
{
  return ('\0' == c) || (NULL != strchr (" \t\r\n", c));
}


/* Releases before 1.0 end a value at a NUL and hide what follows, and glue a
   folded line to whatever is near.  Later ones refuse both, and may use the
   end of the header's memory again. */
static bool
hides_bytes (void)
{
  return '0' == MHD_get_version ()[0];
}


/* Whether there is only blank between two places of the header as it was
   received. */
static bool
is_blank_between (const char *from,
                  const char *to)
{
  if ((uintptr_t) from > (uintptr_t) to)
    return false;
  for (; from < to; from++)
    if (! is_blank (*from))
      return false;
  return true;
}


/* Whether the field stands in the header as it is told to us. */
static bool
is_as_received (const struct walk *walk,
                const char *name,
                size_t name_size,
                const char *value)
{
  const char *const name_end = name + name_size;

  if (! hides_bytes ())
    return true;
  if ( (NULL != walk->end) &&
       (! is_blank_between (walk->end, name)) )
    return false;
  /* libmicrohttpd has put a NUL over the colon. */
  return is_blank_between (':' == *name_end ? name_end + 1 : name_end, value);
}


static size_t
without_trailing_blank (const char *value,
                        size_t size)
{
  while ( (0 != size) &&
          ((' ' == value[size - 1]) || ('\t' == value[size - 1])) )
    size--;
  return size;
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
  struct walk *const walk = cls;
  const size_t size = without_trailing_blank (value, value_size);

  (void) kind;
  if ( (! is_token (name, name_size)) ||
       (is_malformed (value, size)) ||
       (! is_as_received (walk, name, name_size, value)) )
  {
    walk->why = BAD_REQUEST;
    return MHD_NO;
  }
  walk->end = value + value_size;
  walk->hosts += is (name, name_size, "Host");
  walk->lengths += is (name, name_size, "Content-Length");
  walk->codings += is (name, name_size, "Transfer-Encoding");
  if ( (! add_line (walk->text, name, name_size)) ||
       (! add_line (walk->text, value, size)) )
  {
    walk->why = FAILED;
    return MHD_NO;
  }
  return MHD_YES;
}


/* Two lengths or codings, or a length beside a coding: where the body ends
   would be a matter of opinion, which is how requests are smuggled (RFC 9112,
   6.3).  Two hosts: RFC 9112, 3.2.  After the last value there is the end of
   its line, be it CR, LF or what libmicrohttpd has put over them. */
static bool
is_plausible (const struct walk *walk)
{
  return (1 >= walk->hosts) &&
         (1 >= walk->lengths + walk->codings) &&
         ( (NULL == walk->end) ||
           (! hides_bytes ()) ||
           (is_blank_between (walk->end, walk->end + 2)) );
}


static bool
write_first_lines (struct text *text,
                   struct MHD_Connection *connection,
                   const char *method,
                   const char *target,
                   const char *version)
{
  const char *const address = client_address (connection);

  return add_line (text, method, strlen (method)) &&
         add_line (text, target, strlen (target)) &&
         add_line (text, version, strlen (version)) &&
         add_line (text, address, strlen (address));
}


enum refusal
head_write (struct text *text,
            struct MHD_Connection *connection,
            const char *method,
            const char *target,
            const char *version)
{
  struct walk walk = { .text = text, .why = REFUSALS };

  if (! is_token (method, strlen (method)))
    return BAD_REQUEST;
  if (! write_first_lines (text, connection, method, target, version))
    return FAILED;
  (void) MHD_get_connection_values_n (connection,
                                      MHD_HEADER_KIND,
                                      &on_field,
                                      &walk);
  if ( (REFUSALS == walk.why) &&
       (! is_plausible (&walk)) )
    return BAD_REQUEST;
  return walk.why;
}


bool
head_hides_nul (const char *target,
                const char *received_at,
                const char *version)
{
  return (NULL != strstr (target, "%00")) ||
         ( (NULL != received_at) &&
           ('\0' != version[0]) &&
           (received_at + strlen (target) + 1 != version) );
}


bool
head_is_http_1 (const char *version)
{
  return (0 == strncmp (version, "HTTP/1.", 7)) &&
         ('0' <= version[7]) && (version[7] <= '9') &&
         ('\0' == version[8]);
}


bool
head_has_control (const char *target)
{
  for (; '\0' != *target; target++)
    if ( ((unsigned char) *target <= ' ') ||
         ('\x7f' == *target) )
      return true;
  return false;
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
head_has_unknown_coding (struct MHD_Connection *connection,
                         const char *version)
{
  const char *const coding = MHD_lookup_connection_value (connection,
                                                          MHD_HEADER_KIND,
                                                          "Transfer-Encoding");

  return (NULL != coding) &&
         ( (0 != strcasecmp (version, "HTTP/1.1")) ||
           (! is (coding,
                  without_trailing_blank (coding, strlen (coding)),
                  "chunked")) );
}


bool
head_expects_continue (struct MHD_Connection *connection)
{
  const char *const text = MHD_lookup_connection_value (connection,
                                                        MHD_HEADER_KIND,
                                                        "Expect");

  return (NULL != text) &&
         (0 == strcasecmp (text, "100-continue"));
}
