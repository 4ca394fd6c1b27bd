/* SPDX-License-Identifier: MIT
 *
 * Where a request is on its way: from where to where it goes, and who moves it.
 */
#include "base/moves.h"
#include "http/request.h"

static const unsigned int moves[] = {
  /* request_receive_head(), when its header is here; or the connection has ended. */
  [BEGUN] = TO (RECEIVING) | TO (ENDED),
  /* request_ask(), when its body is, too; request_reply(), without Python; or the
     connection has ended. */
  [RECEIVING] = TO (ASKED) | TO (ANSWERED) | TO (ENDED),
  /* request_reply(), with Python's answer; or nobody waits for that any more. */
  [ASKED] = TO (ANSWERED) | TO (ENDED),
  /* request_completed(), or it has become an upgraded connection. */
  [ANSWERED] = TO (ENDED),
  [ENDED] = 0,
};


void
request_enter (struct request *request,
               enum phase phase)
{
  ASSERT_MOVE (moves, request->phase, phase);
  request->phase = phase;
}
