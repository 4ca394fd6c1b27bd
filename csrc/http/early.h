/* SPDX-License-Identifier: MIT
 *
 * Requests that libmicrohttpd ends before it asks us for a response.
 */
#pragma once

#include <stdarg.h>
#include <microhttpd.h>

#include "http/response.h"

struct request;
struct requests;

/* The URI callback: its header has yet to come. */
void
early_begin (struct request *request,
             struct MHD_Connection *connection);

/* The access handler, or the request's end: libmicrohttpd has asked us, or never
   will. */
void
early_end (struct request *request);

/* Sends one of our short answers past libmicrohttpd, which may send nothing after
   it. */
void
early_say (const struct requests *requests,
           struct MHD_Connection *connection,
           enum refusal refusal);

/* MHD_LogCallback */
void
early_log (void *cls,
           const char *format,
           va_list arguments);
