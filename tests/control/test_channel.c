/* SPDX-License-Identifier: MIT */
#include "control/channel.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/check.h"

static enum flow_status decode(const void *bytes, size_t size, struct flow_notice *notice,
                               struct flow_error *err)
{
    *err = (struct flow_error){0};
    return flow_notice_decode(bytes, size, notice, err);
}

TEST(every_kind_of_message_survives_the_way_there)
{
    for (int kind = FLOW_SAY_NEW; kind <= FLOW_SAY_ENDED; kind++) {
        uint8_t bytes[FLOW_NOTICE_MAX];
        struct flow_notice notice;
        struct flow_error err;
        const size_t size =
            flow_notice_encode((enum flow_notice_kind)kind, FLOW_EIO, "stage 'a': größer", bytes);
        assert_int_equal(decode(bytes, size, &notice, &err), FLOW_OK);
        assert_int_equal(notice.kind, kind);
        assert_int_equal(notice.status, FLOW_EIO);
        assert_string_equal(notice.text, "stage 'a': größer");
    }
}

TEST(a_message_without_text_has_an_empty_one)
{
    uint8_t bytes[FLOW_NOTICE_MAX];
    struct flow_notice notice;
    struct flow_error err;
    const size_t size = flow_notice_encode(FLOW_SAY_START, FLOW_OK, NULL, bytes);
    assert_int_equal(size, FLOW_NOTICE_HEAD);
    assert_int_equal(decode(bytes, size, &notice, &err), FLOW_OK);
    assert_string_equal(notice.text, "");
}

TEST(a_text_too_long_is_cut_between_two_characters)
{
    char text[FLOW_NOTICE_TEXT + 10];
    memset(text, 'x', sizeof(text));
    memcpy(text + FLOW_NOTICE_TEXT - 1, "ü", 2); /* straddles the end */
    text[sizeof(text) - 1] = '\0';

    uint8_t bytes[FLOW_NOTICE_MAX];
    struct flow_notice notice;
    struct flow_error err;
    const size_t size = flow_notice_encode(FLOW_SAY_LOG, FLOW_OK, text, bytes);
    assert_int_equal(size, FLOW_NOTICE_HEAD + FLOW_NOTICE_TEXT - 1);
    assert_int_equal(decode(bytes, size, &notice, &err), FLOW_OK);
    assert_int_equal(strlen(notice.text), FLOW_NOTICE_TEXT - 1);
}

TEST(control_characters_become_spaces)
{
    uint8_t bytes[FLOW_NOTICE_MAX];
    struct flow_notice notice;
    struct flow_error err;
    const size_t size = flow_notice_encode(FLOW_SAY_LOG, FLOW_OK, "a\nb\033[31mc\x7f", bytes);
    assert_int_equal(decode(bytes, size, &notice, &err), FLOW_OK);
    assert_string_equal(notice.text, "a b [31mc ");
}

TEST(what_is_not_a_message_is_refused_with_the_reason)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *reason;
    } cases[] = {
        {"", 0, "not a control message (0 bytes)"},
        {"\xF1\x0E\x01\x01\x00\x00\x00", 7, "not a control message (7 bytes)"},
        {"\xF2\x0E\x01\x01\x00\x00\x00\x00", 8, "not a control message (8 bytes)"},
        {"\xF1\x0E\x02\x01\x00\x00\x00\x00", 8, "a control message of version 2, not 1"},
        {"\xF1\x0E\x01\x00\x00\x00\x00\x00", 8, "a control message of unknown kind 0"},
        {"\xF1\x0E\x01\x12\x00\x00\x00\x00", 8, "a control message of unknown kind 18"},
        {"\xF1\x0E\x01\x01\x0C\x00\x00\x00", 8, "a control message of unknown status 12"},
        {"\xF1\x0E\x01\x01\x00\x01\x00\x00", 8, "a control message of unknown status 0"},
        {"\xF1\x0E\x01\x01\x00\x00\x01\x00", 8,
         "a control message of 8 bytes that claims 1 of text"},
        {"\xF1\x0E\x01\x01\x00\x00\x00\x00x", 9,
         "a control message of 9 bytes that claims 0 of text"},
        {"\xF1\x0E\x01\x01\x00\x00\x01\x00\n", 9, "a control message with byte 0x0a in its text"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct flow_notice notice = {.kind = FLOW_SAY_LOG, .text = "untouched"};
        struct flow_error err;
        assert_int_equal(decode(cases[i].bytes, cases[i].size, &notice, &err), FLOW_EPROTO);
        assert_string_equal(err.text, cases[i].reason);
        assert_string_equal(notice.text, "untouched");
    }
}

TEST(no_single_changed_byte_makes_the_decoder_read_beyond_the_message)
{
    for (size_t at = 0; at < FLOW_NOTICE_HEAD + 3; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[FLOW_NOTICE_MAX];
            struct flow_notice notice;
            struct flow_error err;
            const size_t size = flow_notice_encode(FLOW_SAY_LOG, FLOW_OK, "abc", bytes);
            bytes[at] = (uint8_t)value;
            const enum flow_status rc = decode(bytes, size, &notice, &err);
            assert_true(rc == FLOW_OK || rc == FLOW_EPROTO);
            if (rc == FLOW_OK)
                assert_int_equal(strlen(notice.text), 3);
        }
    }
}

TEST(messages_arrive_in_order_and_then_nothing)
{
    int ends[2];
    struct flow_notice notice;
    struct flow_error err = {0};
    assert_int_equal(flow_channel_new(ends, &err), FLOW_OK);
    assert_int_equal(flow_channel_send(ends[0], FLOW_SAY_FAILED, FLOW_EBAD, "why"), FLOW_OK);
    assert_int_equal(flow_channel_send(ends[0], FLOW_SAY_ENDED, FLOW_OK, NULL), FLOW_OK);

    assert_int_equal(flow_channel_receive(ends[1], &notice, &err), FLOW_OK);
    assert_int_equal(notice.kind, FLOW_SAY_FAILED);
    assert_int_equal(notice.status, FLOW_EBAD);
    assert_string_equal(notice.text, "why");
    assert_int_equal(flow_channel_receive(ends[1], &notice, &err), FLOW_OK);
    assert_int_equal(notice.kind, FLOW_SAY_ENDED);
    assert_int_equal(flow_channel_receive(ends[1], &notice, &err), FLOW_EAGAIN);
    close(ends[0]);
    close(ends[1]);
}

TEST(a_closed_channel_is_read_to_its_end_and_cannot_be_written)
{
    int ends[2];
    struct flow_notice notice;
    struct flow_error err = {0};
    assert_int_equal(flow_channel_new(ends, &err), FLOW_OK);
    assert_int_equal(flow_channel_send(ends[0], FLOW_SAY_LOG, FLOW_OK, "last words"), FLOW_OK);
    close(ends[0]);

    assert_int_equal(flow_channel_receive(ends[1], &notice, &err), FLOW_OK);
    assert_string_equal(notice.text, "last words");
    assert_int_equal(flow_channel_receive(ends[1], &notice, &err), FLOW_ECLOSED);
    assert_int_equal(flow_channel_send(ends[1], FLOW_SAY_ABORT, FLOW_OK, NULL), FLOW_ECLOSED);
    close(ends[1]);
}

/* The system then resets the channel, and says so before it hands out what was said. */
TEST(the_last_words_of_an_end_that_did_not_listen_are_heard)
{
    int ends[2];
    struct flow_notice notice;
    assert_int_equal(flow_channel_new(ends, NULL), FLOW_OK);
    assert_int_equal(flow_channel_send(ends[0], FLOW_SAY_NEW, FLOW_OK, NULL), FLOW_OK);
    assert_int_equal(flow_channel_send(ends[1], FLOW_SAY_FAILED, FLOW_EIO, "why"), FLOW_OK);
    close(ends[1]);
    assert_int_equal(flow_channel_receive(ends[0], &notice, NULL), FLOW_OK);
    assert_int_equal(notice.kind, FLOW_SAY_FAILED);
    assert_string_equal(notice.text, "why");
    assert_int_equal(flow_channel_receive(ends[0], &notice, NULL), FLOW_ECLOSED);
    close(ends[0]);
}

TEST(a_message_longer_than_any_is_refused)
{
    int ends[2];
    struct flow_notice notice;
    struct flow_error err = {0};
    uint8_t bytes[FLOW_NOTICE_MAX + 100];
    memset(bytes, 'x', sizeof(bytes));
    (void)flow_notice_encode(FLOW_SAY_LOG, FLOW_OK, NULL, bytes);
    bytes[6] = (uint8_t)((FLOW_NOTICE_TEXT + 1) & 0xFF);
    bytes[7] = (uint8_t)((FLOW_NOTICE_TEXT + 1) >> 8);

    assert_int_equal(flow_channel_new(ends, &err), FLOW_OK);
    assert_int_equal(send(ends[0], bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(flow_channel_receive(ends[1], &notice, &err), FLOW_EPROTO);
    assert_string_equal(err.text, "a control message of 4009 bytes that claims 4001 of text");
    close(ends[0]);
    close(ends[1]);
}

TEST(a_descriptor_goes_along_and_is_close_on_exec)
{
    int ends[2];
    int pipe_ends[2];
    int passed = -1;
    struct flow_notice notice;
    struct flow_error err = {0};
    assert_int_equal(flow_channel_new(ends, &err), FLOW_OK);
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(flow_channel_receive_passed(ends[1], &notice, &passed, &err), FLOW_EAGAIN);
    assert_int_equal(flow_channel_pass(ends[0], FLOW_SAY_FORK, pipe_ends[1]), FLOW_OK);
    assert_int_equal(flow_channel_send(ends[0], FLOW_SAY_START, FLOW_OK, NULL), FLOW_OK);

    assert_int_equal(flow_channel_receive_passed(ends[1], &notice, &passed, &err), FLOW_OK);
    assert_int_equal(notice.kind, FLOW_SAY_FORK);
    assert_int_not_equal(passed, pipe_ends[1]);
    assert_int_equal(fcntl(passed, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(write(passed, "x", 1), 1);
    char byte;
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    close(passed);

    assert_int_equal(flow_channel_receive_passed(ends[1], &notice, &passed, &err), FLOW_OK);
    assert_int_equal(notice.kind, FLOW_SAY_START);
    assert_int_equal(passed, -1);
    close(ends[0]);
    assert_int_equal(flow_channel_pass(ends[1], FLOW_SAY_FORK, pipe_ends[1]), FLOW_ECLOSED);
    close(ends[1]);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

TEST(a_descriptor_for_somebody_who_wants_none_is_closed)
{
    int ends[2];
    int pipe_ends[2];
    struct flow_notice notice;
    assert_int_equal(flow_channel_new(ends, NULL), FLOW_OK);
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(flow_channel_pass(ends[0], FLOW_SAY_FORK, pipe_ends[1]), FLOW_OK);
    close(pipe_ends[1]);
    assert_int_equal(flow_channel_receive(ends[1], &notice, NULL), FLOW_OK);
    char byte;
    assert_int_equal(read(pipe_ends[0], &byte, 1), 0); /* the end: nobody can write any more */
    close(pipe_ends[0]);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_message_survives_the_way_there),
        cmocka_unit_test(a_message_without_text_has_an_empty_one),
        cmocka_unit_test(a_text_too_long_is_cut_between_two_characters),
        cmocka_unit_test(control_characters_become_spaces),
        cmocka_unit_test(what_is_not_a_message_is_refused_with_the_reason),
        cmocka_unit_test(no_single_changed_byte_makes_the_decoder_read_beyond_the_message),
        cmocka_unit_test(messages_arrive_in_order_and_then_nothing),
        cmocka_unit_test(a_closed_channel_is_read_to_its_end_and_cannot_be_written),
        cmocka_unit_test(the_last_words_of_an_end_that_did_not_listen_are_heard),
        cmocka_unit_test(a_message_longer_than_any_is_refused),
        cmocka_unit_test(a_descriptor_goes_along_and_is_close_on_exec),
        cmocka_unit_test(a_descriptor_for_somebody_who_wants_none_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
