/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_DOOR_H
#define FLOW_CONTROL_DOOR_H

/*
 * The door at which a live run is asked why nothing moves: a socket without a place in the file
 * system, so that a run needs no folder for it and leaves nothing behind,
 *
 *     @flowrun-UID-PID-RUNID      (decimal, decimal, 16 hexadecimal digits)
 *
 * whose name is also how runs are found (/proc/net/unix).  Who connects says nothing; he is sent
 * one message of one byte with a descriptor: a file in memory with the answer, a JSON object.  So
 * the coordinator never waits for anybody, however long the answer is.
 *
 * Anybody can connect to such a socket, and anybody can give himself such a name.  Both ends
 * therefore look who the other is (SO_PEERCRED): only the run's own user and root are answered, and
 * only an answer of the own user or of root is believed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FLOW_DOOR_PREFIX "flowrun-"

/* Open the door of this process's run; -1: it cannot be, and the run goes on without. */
int flow_door_open(uint64_t run_id);

/* Somebody is at the door: a connection to answer on, or -1 for nobody, or nobody to be answered.
 */
int flow_door_accept(int door);

/* Send the text to a connection and close that. */
void flow_door_answer(int connection, const char *text);

/* Is the other end of a connection the user `uid` or root? */
bool flow_door_is_of(int connection, uid_t uid);

#endif /* FLOW_CONTROL_DOOR_H */
