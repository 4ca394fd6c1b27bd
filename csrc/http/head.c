/* SPDX-License-Identifier: MIT
 *
 * A request's head as text: one line each for the target, the method, the
 * version and the client, then two for every header field, name and value.
 *
 * Here stand the checks that a release or another leaves out.  All of it runs
 * on the driver's thread, inside request.c's access handler; Python does not.
 */
#include <string.h>
#include <strings.h>

#include "http/head.h"
#include "base/bytes.h"
#include "http/request.h"
#include "http/response.h"
#include "mhd/client.h"

/* While the header fields are walked. */
struct walk
{
  struct head *head;
  const char *version;
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


/* There is room for it. */
static void
put_line (struct text *text,
          const char *bytes,
          size_t size)
{
  memcpy (text->at + text->size, bytes, size);
  text->size += size;
  text->at[text->size++] = '\n';
}


static bool
add_line (struct text *text,
          const char *bytes,
          size_t size)
{
  if (! text_reserve (text, size + 1))
    return false;
  put_line (text, bytes, size);
  return true;
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


/* RFC 9110, 5.6.2: letters, digits and !#$%&'*+-.^_`|~, a bit for each. */
static bool
is_token (const char *name,
          size_t size)
{
  static const uint64_t allowed[4] = {
    UINT64_C (0x03ff6cfa00000000),
    UINT64_C (0x57ffffffc7fffffe),
  };
  size_t i;

  for (i = 0; i < size; i++)
  {
    const unsigned char c = (unsigned char) name[i];

    if (0 == (allowed[c / 64] >> (c % 64) & 1))
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


/* libmicrohttpd has checked that it is a number that it can count. */
static uint64_t
number (const char *digits)
{
  uint64_t number = 0;

  for (; ('0' <= *digits) && (*digits <= '9'); digits++)
    number = 10 * number + (uint64_t) (*digits - '0');
  return number;
}


/* Learns what the field says about the message. */
static void
learn (struct walk *walk,
       const char *name,
       size_t name_size,
       const char *value,
       size_t size)
{
  if (is (name, name_size, "Host"))
    walk->hosts++;
  else if (is (name, name_size, "Content-Length"))
  {
    walk->lengths++;
    walk->head->length = number (value);
  }
  else if (is (name, name_size, "Transfer-Encoding"))
  {
    /* The end of anything else cannot be found. */
    walk->codings++;
    if ( (! is (value, size, "chunked")) ||
         (0 != strcasecmp (walk->version, "HTTP/1.1")) )
      walk->head->has_unknown_coding = true;
  }
  else if (is (name, name_size, "Expect"))
    walk->head->expects_continue = is (value, size, "100-continue");
}


/* MHD_KeyValueIteratorN.  It goes on learning after a malformed field. */
static enum MHD_Result
on_field (void *cls,
          enum MHD_ValueKind kind,
          const char *name,
          size_t name_size,
          const char *value,
          size_t value_size)
{
  struct walk *const walk = cls;
  struct text *const text = walk->head->text;
  const size_t size = without_trailing_blank (value, value_size);

  (void) kind;
  learn (walk, name, name_size, value, size);
  if ( (! is_token (name, name_size)) ||
       (is_malformed (value, size)) ||
       (! is_as_received (walk, name, name_size, value)) )
    walk->why = BAD_REQUEST;
  walk->end = value + value_size;
  if (REFUSALS != walk->why)
    return MHD_YES;
  if (! text_reserve (text, name_size + size + 2))
  {
    walk->why = FAILED;
    return MHD_YES;
  }
  put_line (text, name, name_size);
  put_line (text, value, size);
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
                   const char *version)
{
  const char *const address = client_address (connection);

  return add_line (text, "", 0) &&      /* the target's line */
         add_line (text, method, strlen (method)) &&
         add_line (text, version, strlen (version)) &&
         add_line (text, address, strlen (address));
}


enum refusal
head_write (struct head *head,
            struct MHD_Connection *connection,
            const char *method,
            const char *version)
{
  struct walk walk = { .head = head, .version = version, .why = REFUSALS };

  if (! is_token (method, strlen (method)))
    walk.why = BAD_REQUEST;
  else if (! write_first_lines (head->text, connection, method, version))
    walk.why = FAILED;
  (void) MHD_get_connection_values_n (connection,
                                      MHD_HEADER_KIND,
                                      &on_field,
                                      &walk);
  if ( (REFUSALS == walk.why) &&
       (! is_plausible (&walk)) )
    return BAD_REQUEST;
  return walk.why;
}


static bool
is_http_1 (const char *version)
{
  return (0 == strncmp (version, "HTTP/1.", 7)) &&
         ('0' <= version[7]) && (version[7] <= '9') &&
         ('\0' == version[8]);
}


bool
head_target_is_bad (const struct request *request,
                    const char *version)
{
  const char *const end = request->head.at + request->head.size;
  const char *at;

  /* Where both were received, the version stands one byte behind the target. */
  if ( (! is_http_1 (version)) ||
       ( (NULL != request->received_at) &&
         (request->received_at + request->target_size + 1 != version) ) )
    return true;
  for (at = request->head.at; at < end; at++)
    if ( ((unsigned char) *at <= ' ') ||
         ('\x7f' == *at) ||
         ( ('%' == *at) &&
           (end - at > 2) && ('0' == at[1]) && ('0' == at[2]) ) )
      return true;
  return false;
}
