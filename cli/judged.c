/* The field "relevant" of a query is JSON: a row of the corpus (a number), an id (a string), a list
 * of these, or an object of id: grade. What is no JSON (a cell of a table) is an id as it stands.
 */
#include "cli/judged.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct collector {
    const loaded *queries, *corpus;
    id_index *index; /* of the corpus' ids; made when the first id is asked for */
    vecna_judgement *entries;
    size_t count, capacity;
    size_t query;
    size_t outside; /* ids that the corpus does not have */
    char first[64]; /* the first of them */
    vecna_error *err;
} collector;

static vecna_status add_entry(collector *all, int64_t doc, int32_t grade) {
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 1024;
        void *grown = vecna_resize(NULL, all->entries, capacity, sizeof *all->entries);
        if (grown == NULL)
            return vecna_error_set(all->err, VECNA_ERR_MEMORY, -1,
                                   "not enough memory for the judgements of %s",
                                   all->queries->path);
        all->entries = grown;
        all->capacity = capacity;
    }
    all->entries[all->count].query = all->query;
    all->entries[all->count].doc = doc;
    all->entries[all->count].grade = grade;
    all->count++;
    return VECNA_OK;
}

static vecna_status wrong_field(const collector *all, const char *what) {
    return vecna_error_set(all->err, VECNA_ERR_FORMAT, (int64_t)all->query,
                           "%s, row %zu: \"relevant\" %s; it holds rows of the corpus, ids, a list "
                           "of these, or an object of id: grade",
                           all->queries->path, all->query, what);
}

static vecna_status add_row(collector *all, const vecna_json_token *number) {
    int64_t row;
    if (!vecna_json_i64(number, &row) || row < 0)
        return wrong_field(all, "holds a number that is no row");
    if ((uint64_t)row >= all->corpus->vectors.rows)
        return vecna_error_set(
            all->err, VECNA_ERR_FORMAT, (int64_t)all->query,
            "%s, row %zu: \"relevant\" names row %" PRId64 ", but %s has %zu rows",
            all->queries->path, all->query, row, all->corpus->path, all->corpus->vectors.rows);
    return add_entry(all, row, 1);
}

static vecna_status add_id(collector *all, const char *id, int32_t grade) {
    int64_t row;
    if (all->corpus->ids == NULL)
        return vecna_error_set(
            all->err, VECNA_ERR_NOT_FOUND, (int64_t)all->query,
            "%s, row %zu: \"relevant\" names the id \"%.60s\", but %s has no ids; "
            "give them with --corpus-texts (in fit, --texts)",
            all->queries->path, all->query, id, all->corpus->path);
    if (all->index == NULL) {
        vecna_status status =
            id_index_new(all->corpus->ids, all->corpus->vectors.rows, &all->index, all->err);
        if (status != VECNA_OK)
            return status;
    }
    row = id_index_find(all->index, id);
    if (row < 0 && all->outside++ == 0)
        snprintf(all->first, sizeof all->first, "%s", id);
    return add_entry(all, row < 0 ? VECNA_DOC_OUTSIDE : row, grade);
}

static vecna_status add_id_token(collector *all, const vecna_json_token *token, int32_t grade) {
    char *id = malloc(token->bytes + 1);
    vecna_status status;
    if (id == NULL)
        return vecna_error_set(all->err, VECNA_ERR_MEMORY, -1, "not enough memory for an id");
    id[vecna_json_unescape(token, id)] = '\0';
    status = add_id(all, id, grade);
    free(id);
    return status;
}

static vecna_status add_graded(collector *all, vecna_json *json, const vecna_json_token *key) {
    vecna_json_token value;
    int64_t grade;
    if (vecna_json_next(json, &value, NULL) != VECNA_OK || value.kind != VECNA_JSON_NUMBER ||
        !vecna_json_i64(&value, &grade) || grade < INT32_MIN || grade > INT32_MAX)
        return wrong_field(all, "holds a grade that is no whole number");
    return add_id_token(all, key, (int32_t)grade);
}

static vecna_status add_field(collector *all, const char *text) {
    vecna_json json;
    vecna_json_token token;
    vecna_status status = VECNA_OK;
    vecna_json_init(&json, text, strlen(text), 2);
    if (vecna_json_next(&json, &token, NULL) != VECNA_OK)
        return add_id(all, text, 1); /* a cell of a table */
    while (status == VECNA_OK && token.kind != VECNA_JSON_END) {
        if (token.kind == VECNA_JSON_NUMBER)
            status = add_row(all, &token);
        else if (token.kind == VECNA_JSON_STRING)
            status = add_id_token(all, &token, 1);
        else if (token.kind == VECNA_JSON_KEY)
            status = add_graded(all, &json, &token);
        else if (token.kind == VECNA_JSON_TRUE || token.kind == VECNA_JSON_FALSE)
            status = wrong_field(all, "is true or false");
        if (status == VECNA_OK && vecna_json_next(&json, &token, NULL) != VECNA_OK)
            status = wrong_field(all, "is not JSON");
    }
    return status;
}

static vecna_status judge_by_field(const loaded *queries, const loaded *corpus,
                                   vecna_judgements **out, vecna_error *err) {
    collector all = {queries, corpus, NULL, NULL, 0, 0, 0, 0, "", err};
    vecna_status status = VECNA_OK;
    for (; status == VECNA_OK && all.query < queries->vectors.rows; all.query++)
        if (queries->relevant[all.query])
            status = add_field(&all, queries->relevant[all.query]);
    if (status == VECNA_OK && all.outside > 0 && all.outside == all.count)
        status = vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                                 "none of the relevant ids of %s (the first is \"%s\") is an id of "
                                 "%s",
                                 queries->path, all.first, corpus->path);
    if (status == VECNA_OK)
        status = vecna_judgements_new(all.entries, all.count, queries->vectors.rows,
                                      corpus->vectors.rows, NULL, out, err);
    if (status == VECNA_OK && all.outside)
        note("%s judgements of %s name ids that %s does not have, the first is \"%s\"; they count "
             "as not found",
             grouped(all.outside), queries->path, corpus->path, all.first);
    id_index_free(all.index);
    free(all.entries);
    return status;
}

static vecna_ids ids_of(const loaded *file) {
    vecna_ids ids = {(const char *const *)file->ids, file->vectors.rows};
    return ids;
}

static vecna_status judge_by_qrels(const loaded *queries, const loaded *corpus, const char *path,
                                   vecna_judgements **out, vecna_error *err) {
    char *data = NULL;
    size_t bytes = 0;
    vecna_qrels *qrels = NULL;
    vecna_qrels_match match;
    vecna_status status = read_file(path, &data, &bytes, err);
    if (status == VECNA_OK)
        status = vecna_qrels_parse(data, bytes, path, NULL, &qrels, err);
    if (status == VECNA_OK)
        status =
            vecna_qrels_resolve(qrels, ids_of(queries), ids_of(corpus), NULL, out, &match, err);
    if (status == VECNA_OK && match.unknown_queries)
        note("%s judgements of %s are of queries that %s does not have, the first is \"%s\"",
             grouped(match.unknown_queries), path, queries->path, match.unknown_query);
    if (status == VECNA_OK && match.unknown_docs)
        note("%s judgements of %s name documents that %s does not have, the first is \"%s\"; they "
             "count as not found",
             grouped(match.unknown_docs), path, corpus->path, match.unknown_doc);
    vecna_qrels_free(qrels);
    free(data);
    return status;
}

vecna_status judge_queries(const loaded *queries, const loaded *corpus, const char *qrels_path,
                           judged *out, vecna_error *err) {
    vecna_judgements *judgements = NULL;
    vecna_status status = VECNA_OK;
    if (qrels_path)
        status = judge_by_qrels(queries, corpus, qrels_path, &judgements, err);
    else if (queries->relevant)
        status = judge_by_field(queries, corpus, &judgements, err);
    if (status != VECNA_OK)
        return status;
    out->judgements = judgements;
    out->path = qrels_path ? qrels_path : queries->path;
    out->from_field = qrels_path == NULL;
    return VECNA_OK;
}

void judged_free(judged *truth) {
    vecna_judgements_free(truth->judgements);
    truth->judgements = NULL;
}
