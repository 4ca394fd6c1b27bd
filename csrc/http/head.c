/* SPDX-License-Identifier: MIT
 *
 * Reads a request's head: as text for Python, one line each for the target, the
 * method, the version and the client, then two for every field, name and value;
 * and as facts, of which head_rules.c judges.
 *
 * All of it runs on the driver's thread, inside request.c's access handler;
 * Python does not.
 */
#include <string.h>
#include <strings.h>

#include "http/head.h"
#include "api/batch.h"
#include "base/buffer.h"
#include "http/request.h"
#include "http/response.h"
#include "mhd/client.h"

/* While the header fields are walked. */
struct walk
{
  struct head *head;
  bool failed;                  /* memory is short */
};


static bool
head_is (struct span name,
         const char *other)
{
  return (strlen (other) == name.size) &&
         (0 == strncasecmp (name.at, other, name.size));
}


/* There is room for it. */
static void
head_put_line (struct buffer *text,
               struct span line)
{
  memcpy (text->at + text->size, line.at, line.size);
  text->size += line.size;
  text->at[text->size++] = '\n';
}


static bool
head_add_line (struct buffer *text,
               struct span line)
{
  if (! buffer_reserve (text, line.size + 1))
    return false;
  head_put_line (text, line);
  return true;
}


static struct span
head_span_of (const char *string)
{
  return (struct span) { string, strlen (string) };
}


static struct span
head_without_trailing_blank (struct span value)
{
  while ( (0 != value.size) &&
          ( (' ' == value.at[value.size - 1]) ||
            ('\t' == value.at[value.size - 1]) ) )
    value.size--;
  return value;
}


/* --- what the fields say --- */


/* libmicrohttpd has checked that it is a number that it can count. */
static uint64_t
head_number (const char *digits)
{
  uint64_t number = 0;

  for (; ('0' <= *digits) && (*digits <= '9'); digits++)
    number = 10 * number + (uint64_t) (*digits - '0');
  return number;
}


/* Learns what the field says about the message. */
static void
head_learn (struct head *head,
            struct span name,
            struct span value)
{
  const struct span trimmed = head_without_trailing_blank (value);

  if (head_is (name, "Host"))
  {
    head->hosts++;
    head->host = trimmed;
  }
  else if (head_is (name, "Content-Length"))
  {
    head->lengths++;
    head->length = head_number (value.at);
  }
  else if (head_is (name, "Transfer-Encoding"))
  {
    /* Before 1.0 libmicrohttpd does not know "chunked" with a blank behind it,
       and would read to the end of the connection. */
    head->codings++;
    if (! head_is (value, "chunked"))
      head->coding_is_unknown = true;
  }
}


/* MHD_KeyValueIteratorN.  It goes on learning after a malformed field. */
static enum MHD_Result
head_on_field (void *cls,
               enum MHD_ValueKind kind,
               const char *name_at,
               size_t name_size,
               const char *value_at,
               size_t value_size)
{
  struct walk *const walk = cls;
  struct head *const head = walk->head;
  const struct span name = { name_at, name_size };
  const struct span value = { value_at, value_size };
  struct span line = head_without_trailing_blank (value);

  (void) kind;
  layout_add (&head->layout, name, value);
  head_learn (head, name, value);
  if ( (! rules_token (name)) ||
       (! rules_value (value)) )
    head->field_is_malformed = true;
  /* The target says more (RFC 9112, 3.2.2). */
  if ( (0 != head->authority.size) && (head_is (name, "Host")) )
    line = head->authority;
  if ( (walk->failed) ||
       (! buffer_reserve (head->text, name.size + line.size + 2)) )
  {
    walk->failed = true;
    return MHD_YES;
  }
  head_put_line (head->text, name);
  head_put_line (head->text, line);
  return MHD_YES;
}


static bool
head_write_first_lines (struct head *head,
                        struct MHD_Connection *connection)
{
  const struct span lines[PYMHD_HEAD_FIELDS] = {
    [PYMHD_HEAD_TARGET] = head_span_of (""), /* it stands there, but for its end */
    [PYMHD_HEAD_METHOD] = head->method,
    [PYMHD_HEAD_VERSION] = head->version,
    [PYMHD_HEAD_CLIENT] = head_span_of (client_address (connection)),
  };
  size_t line;

  for (line = 0; line < PYMHD_HEAD_FIELDS; line++)
    if (! head_add_line (head->text, lines[line]))
      return false;
  return true;
}


/* Before 1.0 libmicrohttpd takes an LF for the end of a chunk's line, and ends the
   trailer as it does the header, of which we see nothing.  So nothing that follows a
   body in chunks is read as a request there: keep-alive is the client's to ask for,
   and now it does not. */
static void
head_close_behind_chunks (struct MHD_Connection *connection)
{
  if (layout_is_known ())
    (void) MHD_set_connection_value (connection,
                                     MHD_HEADER_KIND,
                                     MHD_HTTP_HEADER_CONNECTION,
                                     "close");
}


enum refusal
head_read (struct head *head,
           struct request *request,
           struct MHD_Connection *connection,
           const char *method,
           const char *version)
{
  struct walk walk = { .head = head };
  enum refusal refusal;

  *head = (struct head) {
    .text = &request->head,
    .method = head_span_of (method),
    .target = { request->head.at, request->target_size },
    .received_at = request->received_at,
    .version = head_span_of (version),
  };
  head->target_is_malformed = ! target_parse (head->target,
                                              head_is (head->method, "OPTIONS"),
                                              &head->authority);
  if ( (layout_is_known ()) &&
       (0 != head->version.size) )
    layout_end_line (&head->layout, head->version.at + head->version.size);
  walk.failed = ! head_write_first_lines (head, connection);
  (void) MHD_get_connection_values_n (connection,
                                      MHD_HEADER_KIND,
                                      &head_on_field,
                                      &walk);
  layout_end (&head->layout, connection, method);
  if (0 != head->codings)
    head_close_behind_chunks (connection);
  /* It may lie elsewhere by now. */
  head->target.at = request->head.at;
  refusal = head_judge (head);
  return (REFUSALS == refusal) && (walk.failed) ? FAILED : refusal;
}


/* --- the trailer --- */


/* MHD_KeyValueIteratorN */
static enum MHD_Result
head_on_trailer (void *cls,
                 enum MHD_ValueKind kind,
                 const char *name_at,
                 size_t name_size,
                 const char *value_at,
                 size_t value_size)
{
  struct head *const head = cls;
  const struct span name = { name_at, name_size };
  const struct span value = { value_at, value_size };

  (void) kind;
  if ( (! rules_token (name)) ||
       (! rules_value (value)) )
    head->field_is_malformed = true;
  return MHD_YES;
}


/* Where its lines lie tells nothing: libmicrohttpd may have moved what came in pieces.
   Before 1.0 no request follows it. */
enum refusal
head_read_trailer (struct MHD_Connection *connection)
{
  struct head head = { 0 };

  (void) MHD_get_connection_values_n (connection,
                                      MHD_FOOTER_KIND,
                                      &head_on_trailer,
                                      &head);
  return head.field_is_malformed ? BAD_REQUEST : REFUSALS;
}
