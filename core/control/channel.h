/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_CHANNEL_H
#define FLOW_CONTROL_CHANNEL_H

/*
 * The channel between the coordinator of a run and one of its groups: a pair of connected sockets
 * that keeps the bounds of messages (SOCK_SEQPACKET).  A message says one thing, with a status and
 * a line of text where they belong to it:
 *
 *     bytes 0-1   0xF1 0x0E
 *           2     version of this format
 *           3     kind
 *           4     status
 *           5     0
 *           6-7   size of the text, at most FLOW_NOTICE_TEXT, the low byte first
 *           8-    the text: no control characters, no zero after it
 *
 * Either end may be another process, so nothing that arrives is believed before it has been
 * checked.
 *
 * Threads: any number may send on one end at a time; one receives.
 */

#include <stddef.h>
#include <stdint.h>

#include "flowrun/error.h"

enum flow_notice_kind {
    FLOW_SAY_NEW = 1, /* to a group: bind your inboxes */
    FLOW_SAY_OPEN,    /* connect, open the stages */
    FLOW_SAY_START,   /* let records flow */
    FLOW_SAY_DRAIN,   /* producers end */
    FLOW_SAY_ABORT,   /* everything ends */
    FLOW_SAY_EPOCH,   /* text, a number: this checkpoint begins */
    FLOW_SAY_COMMIT,  /* text: it can no longer be lost; "N last": and it is the last one */
    FLOW_SAY_FORK,    /* to a nursery, with a descriptor: a process for the channel it belongs to */
    FLOW_SAY_JOIN,    /* text, a number: to a process that a nursery made: be this group */
    FLOW_SAY_READY,   /* from a group: the answer to NEW */
    FLOW_SAY_OPENED,  /* the answer to OPEN */
    FLOW_SAY_FAILED,  /* status, text: the answer to NEW or OPEN, or at any time after START */
    FLOW_SAY_LOG,     /* text: a stage has something to say */
    FLOW_SAY_SAVED,   /* text: a replica has saved its state; see control/rounds.h */
    FLOW_SAY_BORN,    /* text, its pid: a nursery has made a process */
    FLOW_SAY_STUCK,   /* text: after ABORT, these stages do not come back; the last message */
    FLOW_SAY_ENDED,   /* all threads of the group have ended; the last message */
};

#define FLOW_NOTICE_TEXT 4000 /* the longest text [bytes]; longer ones are cut */
#define FLOW_NOTICE_HEAD 8
#define FLOW_NOTICE_MAX (FLOW_NOTICE_HEAD + FLOW_NOTICE_TEXT)

struct flow_notice {
    enum flow_notice_kind kind;
    enum flow_status status;
    char text[FLOW_NOTICE_TEXT + 1];
};

/*
 * Write the message into `bytes`, which has room for FLOW_NOTICE_MAX, and return its size.  `text`
 * may be NULL.  Control characters become spaces; a text too long is cut between two characters.
 */
size_t flow_notice_encode(enum flow_notice_kind kind, enum flow_status status, const char *text,
                          uint8_t *bytes);

/* FLOW_EPROTO: not a message; `err` says what is wrong with it and `notice` is untouched. */
FLOW_NODISCARD enum flow_status flow_notice_decode(const uint8_t *bytes, size_t size,
                                                   struct flow_notice *notice,
                                                   struct flow_error *err);

/* Two connected ends, close-on-exec.  FLOW_EIO. */
FLOW_NODISCARD enum flow_status flow_channel_new(int ends[2], struct flow_error *err);

/*
 * Say something; waits while the other end has more to read than the kernel keeps.  FLOW_ECLOSED:
 * the other end has gone; FLOW_EIO.
 */
enum flow_status flow_channel_send(int fd, enum flow_notice_kind kind, enum flow_status status,
                                   const char *text);

/*
 * What has arrived, without waiting.  FLOW_EAGAIN: nothing yet; FLOW_ECLOSED: the other end has
 * gone and all it said was read; FLOW_EPROTO: see flow_notice_decode.
 */
FLOW_NODISCARD enum flow_status flow_channel_receive(int fd, struct flow_notice *notice,
                                                     struct flow_error *err);

/* The same with a descriptor, `passed`: it is duplicated into the process at the other end. */
enum flow_status flow_channel_pass(int fd, enum flow_notice_kind kind, int passed);

/* What flow_channel_pass has sent, `*passed` -1 if no descriptor came with it; close-on-exec. */
FLOW_NODISCARD enum flow_status flow_channel_receive_passed(int fd, struct flow_notice *notice,
                                                            int *passed, struct flow_error *err);

#endif /* FLOW_CONTROL_CHANNEL_H */
