/* SPDX-License-Identifier: MIT
 *
 * The rules that a request must keep to reach Python, on every release alike:
 * a table, in the order in which they are asked.
 *
 * On the driver's thread, inside the access handler; Python does not run.
 */
#include <string.h>

#include "http/head.h"
#include "http/response.h"


/* Letters, digits and !#$%&'*+-.^_`|~, a bit for each. */
bool
rules_token (struct span name)
{
  static const uint64_t allowed[4] = {
    UINT64_C (0x03ff6cfa00000000),
    UINT64_C (0x57ffffffc7fffffe),
  };
  size_t i;

  for (i = 0; i < name.size; i++)
  {
    const unsigned char c = (unsigned char) name.at[i];

    if (0 == (allowed[c / 64] >> (c % 64) & 1))
      return false;
  }
  return 0 != name.size;
}


/* Visible characters, blanks, tabs and whatever is no ASCII. */
bool
rules_value (struct span value)
{
  size_t i;

  for (i = 0; i < value.size; i++)
  {
    const unsigned char c = (unsigned char) value.at[i];

    if ( ( (c < ' ') && ('\t' != c) ) ||
         (0x7f == c) )
      return false;
  }
  return true;
}


/* Bytes are hidden from us: by a NUL, or by an end of a line that is not CRLF, of
   which somebody before us may think otherwise. */
static bool
head_hides_bytes (const struct head *head)
{
  /* libmicrohttpd has put a NUL over each blank. */
  return head->layout.is_broken ||
         (NULL == head->received_at) ||
         (head->received_at != head->method.at + head->method.size + 1) ||
         (head->version.at != head->received_at + head->target.size + 1);
}


static bool
head_has_bad_method (const struct head *head)
{
  return ! rules_token (head->method);
}


/* HTTP, a slash, a digit, a dot and a digit. */
static bool
head_has_bad_version (const struct head *head)
{
  const char *const at = head->version.at;

  return (8 != head->version.size) ||
         (0 != memcmp (at, "HTTP/", 5)) ||
         (at[5] < '0') || ('9' < at[5]) ||
         ('.' != at[6]) ||
         (at[7] < '0') || ('9' < at[7]);
}


static bool
head_has_other_version (const struct head *head)
{
  return '1' != head->version.at[5];
}


static bool
head_is_1_0 (const struct head *head)
{
  return '0' == head->version.at[7];
}


/* The 2xx of a handler that does not think of it would open a tunnel, through
   which a proxy before us lets everything pass. */
static bool
head_is_connect (const struct head *head)
{
  return (7 == head->method.size) &&
         (0 == memcmp (head->method.at, "CONNECT", 7));
}


static bool
head_has_bad_target (const struct head *head)
{
  return head->target_is_malformed;
}


static bool
head_has_bad_field (const struct head *head)
{
  return head->field_is_malformed;
}


/* One, or none in HTTP/1.0; empty only where the target does not say more. */
static bool
head_has_bad_host (const struct head *head)
{
  if (0 == head->hosts)
    return ! head_is_1_0 (head);
  if (1 < head->hosts)
    return true;
  if (0 == head->host.size)
    return 0 != head->authority.size;
  return ! target_is_authority (head->host);
}


/* Two of them, or a length beside a coding: where the body ends would be a matter
   of opinion. */
static bool
head_has_several_lengths (const struct head *head)
{
  return 1 < head->lengths + head->codings;
}


static bool
head_has_bad_coding (const struct head *head)
{
  return head->coding_is_unknown ||
         ( (0 != head->codings) && (head_is_1_0 (head)) );
}


static const struct
{
  bool (*is_broken) (const struct head *head);
  enum refusal refusal;
} rules[] = {
  { &head_hides_bytes, BAD_REQUEST },                /* RFC 9112, 2.2 and 5 */
  { &head_has_bad_method, BAD_REQUEST },             /* RFC 9110, 9.1 */
  { &head_has_bad_version, BAD_REQUEST },            /* RFC 9112, 2.3 */
  { &head_has_other_version, OTHER_VERSION },        /* RFC 9110, 15.6.6 */
  { &head_is_connect, NOT_IMPLEMENTED },             /* RFC 9110, 9.3.6 */
  { &head_has_bad_target, BAD_REQUEST },             /* RFC 9112, 3.2 */
  { &head_has_bad_field, BAD_REQUEST },              /* RFC 9110, 5.1 and 5.5 */
  { &head_has_bad_host, BAD_REQUEST },               /* RFC 9112, 3.2 */
  { &head_has_several_lengths, BAD_REQUEST },        /* RFC 9112, 6.3 */
  { &head_has_bad_coding, BAD_REQUEST },             /* RFC 9112, 6.1 */
};


enum refusal
head_judge (const struct head *head)
{
  size_t i;

  for (i = 0; i < sizeof (rules) / sizeof (*rules); i++)
    if (rules[i].is_broken (head))
      return rules[i].refusal;
  return REFUSALS;
}
