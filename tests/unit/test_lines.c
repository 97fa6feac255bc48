/* From bytes and messages to lines: framer, templates, topics; identity and the status socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs these above */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../board/linux/framer.h"
#include "../../board/linux/identity.h"
#include "../../board/linux/status.h"
#include "../../board/linux/template.h"
#include "../../board/linux/topics.h"

/* ---- framer ---- */

/* Lines of a text fed in pieces of `piece` bytes, with | after each. */
static void frame(const char *text, size_t bytes, size_t piece, bool end, char *out)
{
    static lc_framer framer;
    lc_framer_reset(&framer);
    size_t at = 0, n = 0;
    while (at < bytes || framer.whole) {
        if (framer.whole) {
            memcpy(out + n, framer.text, framer.bytes);
            n += framer.bytes;
            out[n++] = '|';
            lc_framer_next(&framer);
            continue;
        }
        size_t part = bytes - at < piece ? bytes - at : piece;
        at += lc_framer_feed(&framer, text + at, part);
    }
    if (end) {
        lc_framer_end(&framer);
    }
    if (framer.whole) {
        memcpy(out + n, framer.text, framer.bytes);
        n += framer.bytes;
        out[n++] = '|';
    }
    out[n] = '\0';
}

static void lines_end_at_lf_and_lose_one_cr(void **state)
{
    (void)state;
    static const struct {
        const char *text, *lines;
        bool end;
    } cases[] = {
        {"a\nb\n", "a|b|", false},
        {"a\r\nb\r\r\n", "a|b\r|", false},
        {"\n\r\n", "||", false},
        {"a\nb", "a|", false},
        {"a\nb", "a|b|", true},
        {"a\n", "a|", true},
        {"\r", "|", true},
        {"a\rb\n", "a\rb|", false},
        {"", "", true},
    };
    char out[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t piece = 1; piece < 6; piece++) {
            frame(cases[i].text, strlen(cases[i].text), piece, cases[i].end, out);
            assert_string_equal(out, cases[i].lines);
        }
    }
}

static void a_line_too_long_is_counted_not_kept(void **state)
{
    (void)state;
    static lc_framer framer;
    static char text[3 * LC_LINE_BYTES_MAX];
    memset(text, 'x', sizeof text);
    for (size_t bytes = LC_LINE_BYTES_MAX - 1; bytes <= LC_LINE_BYTES_MAX + 2; bytes++) {
        for (int cr = 0; cr < 2; cr++) {
            lc_framer_reset(&framer);
            assert_int_equal(lc_framer_feed(&framer, text, bytes), bytes);
            assert_int_equal(lc_framer_feed(&framer, cr ? "\r\nz" : "\nz", cr ? 3 : 2), cr ? 2 : 1);
            assert_true(framer.whole);
            assert_int_equal(framer.bytes > LC_LINE_BYTES_MAX, bytes > LC_LINE_BYTES_MAX);
            if (bytes <= LC_LINE_BYTES_MAX) {
                assert_int_equal(framer.bytes, bytes);
            }
            assert_int_equal(lc_framer_feed(&framer, "more", 4), 0); /* not before next */
        }
    }
    lc_framer_reset(&framer);
    for (int i = 0; i < 100; i++) {
        lc_framer_feed(&framer, text, sizeof text);
    }
    lc_framer_feed(&framer, "\nshort\n", 1);
    assert_int_equal(framer.bytes, 100 * sizeof text);
    lc_framer_next(&framer);
    lc_framer_feed(&framer, "short\n", 6);
    assert_int_equal(framer.bytes, 5);
    assert_memory_equal(framer.text, "short", 5);
}

/* ---- templates ---- */

static lc_err fill(const char *tmpl, const char *json, char *out, size_t max)
{
    size_t bytes = 0;
    lc_diag diag;
    lc_err err = lc_template_fill(tmpl, json, strlen(json), out, max, &bytes, &diag);
    out[bytes] = '\0';
    return err;
}

static void templates_take_values_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *tmpl, *json, *line;
    } cases[] = {
        {"temp {temperature} C humidity {humidity} %",
         "{\"battery\":97,\"humidity\":40.0,\"temperature\":-12.50}",
         "temp -12.50 C humidity 40.0 %"},
        {"{a.b.c}", "{\"c\":1,\"a\":{\"c\":2,\"b\":{\"x\":{\"c\":3},\"c\":4}}}", "4"},
        {"{b}", "{\"a\":{\"b\":1},\"c\":[{\"b\":2}],\"b\":3}", "3"},
        {"{s}", "{\"s\":\"a\\n\\\"b\\\" \\u00e9 \\ud83d\\ude00\"}",
         "a \"b\" \xC3\xA9 \xF0\x9F\x98\x80"},
        {"{t} {f}", "{\"t\":true,\"f\":false}", "true false"},
        {"{{{n}}} 100 %", " { \"n\" : 1e3 } ", "{1e3} 100 %"},
        {"{a}{a}", "{\"\\u0061\":7}", "77"},
        {"{a}", "{\"a\":1,\"a\":2}", "1"},
        {"none", "{}", "none"},
        {"{a.b}", "{\"a\":1,\"a\":{\"b\":2}}", "2"},
    };
    char out[256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(lc_template_check(cases[i].tmpl, NULL), LC_OK);
        assert_int_equal(fill(cases[i].tmpl, cases[i].json, out, sizeof out - 1), LC_OK);
        assert_string_equal(out, cases[i].line);
    }
}

static void templates_miss_what_is_not_a_plain_value(void **state)
{
    (void)state;
    static const char *const json[] = {"{}",         "{\"b\":1}",         "{\"a\":null}",
                                       "{\"a\":{}}", "{\"a\":[1]}",       "{\"x\":{\"a\":1}}",
                                       "{\"A\":1}",  "{\"aa\":1,\"\":2}", "{\"x\":[{\"a\":1}]}"};
    char out[256];
    for (size_t i = 0; i < sizeof json / sizeof json[0]; i++) {
        assert_int_equal(fill("{a}", json[i], out, sizeof out - 1), LC_ERR_NOT_FOUND);
    }
    assert_int_equal(fill("{a}{a}", "{\"a\":12345}", out, 9), LC_ERR_LIMIT);
    assert_int_equal(fill("{a}{a}", "{\"a\":12345}", out, 10), LC_OK);
}

static void templates_refuse_what_is_not_json(void **state)
{
    (void)state;
    static const char *const json[] = {
        "",
        "1",
        "[]",
        "{",
        "}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,\"a\":1}",
        "{\"a\":1}x",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":tru}",
        "{\"a\":\"",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\":{\"b\":1]}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1}{}",
        "{\"a\":'x'}",
        "{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
    };
    char out[256];
    for (size_t i = 0; i < sizeof json / sizeof json[0]; i++) {
        lc_err err = fill("{a}", json[i], out, sizeof out - 1);
        if (err != LC_ERR_FORMAT) {
            print_error("%s gave %d\n", json[i], (int)err);
        }
        assert_int_equal(err, LC_ERR_FORMAT);
    }
}

/* Every prefix and every byte changed: no crash, and never a line from broken JSON. */
static void templates_survive_broken_messages(void **state)
{
    (void)state;
    static const char json[] = "{\"a\":{\"b\":[1,2,{\"c\":\"\\u00e9\"}],\"d\":-1.5e+3},\"e\":true}";
    char text[sizeof json], out[256];
    size_t bytes = sizeof json - 1, n;
    for (size_t cut = 0; cut < bytes; cut++) {
        assert_int_equal(lc_template_fill("{a.d}", json, cut, out, sizeof out, &n, NULL),
                         LC_ERR_FORMAT);
    }
    for (size_t i = 0; i < bytes; i++) {
        for (int c = 0; c < 256; c++) {
            memcpy(text, json, sizeof json);
            text[i] = (char)c;
            lc_err err = lc_template_fill("{a.d}{e}", text, bytes, out, sizeof out, &n, NULL);
            assert_true(err == LC_OK || err == LC_ERR_FORMAT || err == LC_ERR_NOT_FOUND);
        }
    }
}

static void templates_are_checked_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *tmpl;
        uint64_t at;
    } cases[] = {{"a {b", 2}, {"a }", 2},  {"{}", 0},     {"{a{b}}", 0},
                 {"{.a}", 0}, {"{a.}", 0}, {"{a..b}", 0}, {"{a} {", 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lc_diag diag = {0};
        assert_int_equal(lc_template_check(cases[i].tmpl, &diag), LC_ERR_FORMAT);
        assert_int_equal(diag.offset, cases[i].at);
    }
}

/* ---- topics ---- */

static void filters_match_as_the_standard_says(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *topic;
        bool match;
    } cases[] = {
        {"a/b", "a/b", true},     {"a/b", "a/bc", false},   {"a/+", "a/b", true},
        {"a/+", "a/b/c", false},  {"a/+", "a", false},      {"a/+", "a/", true},
        {"+", "a", true},         {"+", "/a", false},       {"+/+", "/a", true},
        {"a/#", "a", true},       {"a/#", "a/b/c", true},   {"a/#", "ab", false},
        {"#", "a/b", true},       {"#", "$SYS/a", false},   {"$SYS/#", "$SYS/a", true},
        {"+/a", "$SYS/a", false}, {"a/+/c", "a/b/c", true}, {"a/+/c", "a/b/d", false},
        {"a/+/#", "a/b", true},   {"a", "A", false},        {"a/b/#", "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (lc_topics_match(cases[i].filter, cases[i].topic) != cases[i].match) {
            print_error("%s %s\n", cases[i].filter, cases[i].topic);
        }
        assert_int_equal(lc_topics_match(cases[i].filter, cases[i].topic), cases[i].match);
    }
}

static void topics_are_those_of_the_contract(void **state)
{
    (void)state;
    static const lc_str task[] = {{"fault", 5}, {"part", 4}};
    const lc_topics topics = {"leafcutter/v1", "pi4-0017", "homeassistant"};
    static const struct {
        lc_topic topic;
        uint32_t task;
        const char *text;
    } cases[] = {
        {LC_TOPIC_STATE, 0, "up/state"},      {LC_TOPIC_BIRTH, 0, "up/birth"},
        {LC_TOPIC_UPDATE, 0, "up/upd/state"}, {LC_TOPIC_RES, 0, "up/res/fault"},
        {LC_TOPIC_LAST, 1, "up/last/part"},   {LC_TOPIC_EVENT, 0, "up/event/fault"},
        {LC_TOPIC_HEALTH, 0, "up/health"},    {LC_TOPIC_GAP, 0, "up/gap"},
        {LC_TOPIC_LOG, 4, "up/log/warning"},
    };
    char out[LC_TOPIC_BYTES_MAX], want[LC_TOPIC_BYTES_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lc_str name = task[cases[i].task % 2];
        assert_true(lc_topics_write(&topics, cases[i].topic, name, cases[i].task, out));
        snprintf(want, sizeof want, "leafcutter/v1/pi4-0017/%s", cases[i].text);
        assert_string_equal(out, want);
    }
    assert_true(lc_topics_write(&topics, LC_TOPIC_DISCOVERY, task[0], 0, out));
    assert_string_equal(out, "homeassistant/device/pi4-0017/config");
    assert_string_equal(lc_topics_down_rest(&topics, "leafcutter/v1/pi4-0017/dn/cmd/x"), "cmd/x");
    assert_null(lc_topics_down_rest(&topics, "leafcutter/v1/pi4-00171/dn/text"));
    assert_null(lc_topics_down_rest(&topics, "leafcutter/v1/pi4-0017/up/text"));
    assert_null(lc_topics_down_rest(&topics, "leaf"));
}

/* ---- identity, status ---- */

static char folder[] = "/tmp/lc-lines-XXXXXX"; /* mkdtemp fills the Xs */

static int folder_make(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int folder_clear(void **state)
{
    (void)state;
    const char *const names[] = {
        "store/boot", "store/salt", "store/state", "store/state.new", "store/records.journal",
        "socket"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(path_of(names[i]));
    }
    rmdir(path_of("store"));
    return rmdir(folder);
}

static void file_put(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static lc_err identity_read(const char *name, lc_identity *identity)
{
    lc_store store;
    lc_diag diag;
    lc_err err = lc_store_open(&store, path_of(name));
    const lc_identity_owner owner = {.dev = "pi4-0017", .serial = ""};
    err = err == LC_OK ? lc_identity_open(&store, &owner, identity, &diag) : err;
    int reason = errno;
    lc_store_close(&store);
    errno = reason;
    return err;
}

static void starts_are_counted_and_the_salt_stays(void **state)
{
    (void)state;
    lc_identity first, next;
    assert_int_equal(identity_read("store", &first), LC_OK);
    assert_int_equal(first.boot, 1);
    for (uint32_t boot = 2; boot < 12; boot++) {
        assert_int_equal(identity_read("store", &next), LC_OK);
        assert_int_equal(next.boot, boot);
        assert_memory_equal(next.salt, first.salt, LC_SALT_BYTES);
    }
    assert_int_equal(identity_read("no/such", &next), LC_ERR_IO);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(truncate(path_of("store/state"), 100), 0);
    assert_int_equal(identity_read("store", &next), LC_ERR_FORMAT);
}

static void an_identity_of_the_old_form_is_moved(void **state)
{
    (void)state;
    lc_identity next;
    unlink(path_of("store/state"));
    static const char *const wrong[] = {"x\n", "-1\n", "4294967295\n", "7", "7 8\n", " 7\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        file_put("store/boot", wrong[i]);
        assert_int_equal(identity_read("store", &next), LC_ERR_FORMAT);
    }
    file_put("store/boot", "7\n");
    file_put("store/salt", "short");
    assert_int_equal(identity_read("store", &next), LC_ERR_FORMAT);
    file_put("store/salt", "0123456789abcdef");
    assert_int_equal(identity_read("store", &next), LC_OK);
    assert_int_equal(next.boot, 8);
    assert_memory_equal(next.salt, "0123456789abcdef", LC_SALT_BYTES);
    assert_int_equal(access(path_of("store/boot"), F_OK), -1);
    assert_int_equal(access(path_of("store/salt"), F_OK), -1);
    assert_int_equal(identity_read("store", &next), LC_OK);
    assert_int_equal(next.boot, 9);
}

static void one_process_has_the_store(void **state)
{
    (void)state;
    lc_store first, second;
    assert_int_equal(lc_store_open(&first, path_of("store")), LC_OK);
    assert_int_equal(lc_store_open(&second, path_of("store")), LC_ERR_BUSY);
    lc_store_close(&second);
    lc_store_close(&first);
    assert_int_equal(lc_store_open(&second, path_of("store")), LC_OK);
    lc_store_close(&second);
}

static lc_str status_say(void *ctx)
{
    (void)ctx;
    return lc_str_from("{\"a\":1}\n");
}

/* Longer than a socket's buffer holds. */
static lc_str long_say(void *ctx)
{
    static char text[1u << 20];
    (void)ctx;
    memset(text, 'x', sizeof text);
    return (lc_str){text, sizeof text};
}

static uint64_t loop_turn(void *ctx, uint64_t now_ms)
{
    uint64_t wake = lc_pages_tick(ctx, now_ms);
    return wake < now_ms + 1000 ? wake : now_ms + 1000;
}

static void *loop_main(void *ctx)
{
    lc_pages *pages = ctx;
    lc_err err = lc_loop_run(pages->loop, loop_turn, pages);
    return err == LC_OK ? ctx : NULL;
}

static const lc_page status_pages[] = {{"/status", "application/json", status_say},
                                       {"/long", "text/plain", long_say}};

static int page_open(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(strlen(path) < sizeof to.sun_path);
    memcpy(to.sun_path, path, strlen(path));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* What comes back for this; "" is a client that says nothing, and waits. */
static size_t page_ask(const char *path, const char *request, char *out, size_t max)
{
    int fd = page_open(path);
    for (size_t at = 0; at < strlen(request); at += 3) { /* in pieces */
        size_t bytes = strlen(request) - at < 3 ? strlen(request) - at : 3;
        assert_int_equal(send(fd, request + at, bytes, MSG_NOSIGNAL), bytes);
    }
    size_t held = 0;
    ssize_t got;
    while ((got = read(fd, out + held, max - 1 - held)) > 0) {
        held += (size_t)got;
    }
    out[held] = '\0';
    close(fd);
    return held;
}

/* A byte each tenth of a second does not hold the others up for ever. */
static void slow_is_hung_up_on(const char *path)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    int fd = page_open(path), sent = 0;
    while (sent < 600 && send(fd, "G", 1, MSG_NOSIGNAL) == 1) {
        sent++;
        nanosleep(&pause, NULL);
    }
    assert_true(sent > 0 && sent < 600);
    close(fd);
}

static void pages_are_served(const char *path)
{
    static char out[2u << 20];
    page_ask(path, "", out, sizeof out);
    assert_string_equal(out, "{\"a\":1}\n");
    page_ask(path, "GET /status HTTP/1.1\r\nHost: a\r\n\r\n", out, sizeof out);
    assert_string_equal(out, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n"
                             "Content-Length: 8\r\nConnection: close\r\n\r\n{\"a\":1}\n");
    page_ask(path, "GET /stat HTTP/1.0\r\n\r\n", out, sizeof out);
    assert_int_equal(strncmp(out, "HTTP/1.0 404 ", 13), 0);
    page_ask(path, "POST /status HTTP/1.0\r\n\r\n", out, sizeof out);
    assert_int_equal(strncmp(out, "HTTP/1.0 405 ", 13), 0);
    assert_int_equal(page_ask(path, "GET /stat", out, sizeof out), 0); /* never ended: hung up */
    slow_is_hung_up_on(path);
    size_t bytes = page_ask(path, "GET /long?x HTTP/1.0\n\n", out, sizeof out);
    assert_true(bytes > 1u << 20 && strstr(out, "Content-Length: 1048576\r\n"));
}

static lc_status *status_of(lc_loop *loop)
{
    lc_status *status = calloc(1, sizeof *status);
    assert_non_null(status);
    status->pages.loop = loop;
    status->pages.page = status_pages;
    status->pages.page_count = 2;
    return status;
}

static void status_is_what_it_says_to_who_asks(void **state)
{
    (void)state;
    char out[256], path[128];
    uint32_t bytes = 0;
    lc_loop loop;
    pthread_t thread;
    snprintf(path, sizeof path, "%s", path_of("socket"));
    assert_int_equal(lc_status_read(path, "/status", out, sizeof out, &bytes), LC_ERR_NOT_FOUND);
    assert_int_equal(lc_loop_open(&loop), LC_OK);
    lc_status *status = status_of(&loop), *second = status_of(&loop);
    assert_int_equal(lc_status_open(status, path), LC_OK);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(lc_status_open(second, path), LC_ERR_BUSY);
    assert_int_equal(pthread_create(&thread, NULL, loop_main, &status->pages), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(lc_status_read(path, "/status", out, sizeof out, &bytes), LC_OK);
        assert_int_equal(bytes, 8);
        assert_string_equal(out, "{\"a\":1}\n");
    }
    assert_int_equal(lc_status_read(path, "/status", out, 4, &bytes), LC_ERR_LIMIT);
    assert_int_equal(lc_status_read(path, "/none", out, sizeof out, &bytes), LC_ERR_NOT_FOUND);
    pages_are_served(path);
    lc_loop_stop(&loop); /* it wakes within a second */
    assert_int_equal(pthread_join(thread, NULL), 0);
    lc_pages_close(&status->pages); /* as after a crash: the path is left behind */
    assert_int_equal(lc_status_open(status, path), LC_OK);
    lc_status_close(status);
    lc_status_close(second);
    assert_int_not_equal(access(path, F_OK), 0);
    lc_loop_close(&loop);
    free(status);
    free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_at_lf_and_lose_one_cr),
        cmocka_unit_test(a_line_too_long_is_counted_not_kept),
        cmocka_unit_test(templates_take_values_as_they_are_written),
        cmocka_unit_test(templates_miss_what_is_not_a_plain_value),
        cmocka_unit_test(templates_refuse_what_is_not_json),
        cmocka_unit_test(templates_survive_broken_messages),
        cmocka_unit_test(templates_are_checked_with_their_place),
        cmocka_unit_test(filters_match_as_the_standard_says),
        cmocka_unit_test(topics_are_those_of_the_contract),
        cmocka_unit_test(starts_are_counted_and_the_salt_stays),
        cmocka_unit_test(an_identity_of_the_old_form_is_moved),
        cmocka_unit_test(one_process_has_the_store),
        cmocka_unit_test(status_is_what_it_says_to_who_asks),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_clear);
}
