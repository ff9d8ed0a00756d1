/* SPDX-License-Identifier: MIT */
#ifndef FLOWRUN_STATUS_H
#define FLOWRUN_STATUS_H

/* The statuses that every fallible call of flowrun returns, and the attributes its headers use. */

#define FLOW_NODISCARD __attribute__((warn_unused_result))
#define FLOW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define FLOW_EXPORT __attribute__((visibility("default")))

enum flow_status {
    FLOW_OK = 0,
    FLOW_ENOMEM,  /* an allocation failed; nothing was changed */
    FLOW_EINVAL,  /* the caller broke a rule this header states */
    FLOW_ENOENT,  /* a name (stage, port, parameter, file) is unknown */
    FLOW_ETYPE,   /* a value has another type than declared */
    FLOW_ERANGE,  /* a value lies outside its declared range */
    FLOW_ECLOSED, /* the other end has gone, or a producer has no more; not a fault */
    FLOW_EAGAIN,  /* nothing yet: the time given has passed */
    FLOW_EBAD,    /* a record is bad: the stage's error policy applies */
    FLOW_EIO,     /* the system refused: a file, a socket, a process, a library */
    FLOW_EPROTO,  /* bytes from another process or file do not follow the format */
    FLOW_EABORT,  /* the run is being aborted */
};

#endif /* FLOWRUN_STATUS_H */
