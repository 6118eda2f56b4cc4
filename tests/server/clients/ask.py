"""One official Python client against one address: `python ask.py CLIENT URL KEY`. Prints what it got as JSON; the
test holds it against the truth. Errors are told by class, status and message, as a program would catch them."""

import json
import sys

TEXTS = ["A man is eating food.", "naïve café \u2603 \"quoted\"\n"]


def caught(call):
    """The exception that a call raises: its class and those above it, its status and its words."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 (whatever the client raises is what is asked)
        status = getattr(error, "status_code", None) or getattr(error, "code", None) or getattr(error, "http_status", None)
        return {"classes": [c.__name__ for c in type(error).__mro__], "status": status, "text": str(error)}
    return None


def ask_openai(url, key):
    import openai

    client = openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0)
    create = client.embeddings.create
    got = create(model="text-embedding-3-small", input=TEXTS)
    return {
        "default": [e.embedding for e in got.data],
        "order": [e.index for e in got.data],
        "tokens": got.usage.prompt_tokens,
        "floats": [e.embedding for e in create(model="m", input=TEXTS, encoding_format="float").data],
        "single": [e.embedding for e in create(model="m", input=TEXTS[0]).data],
        "dimensions": [e.embedding for e in create(model="m", input=TEXTS, dimensions=384).data],
        "models": [m.id for m in client.models.list().data],
        "model": client.models.retrieve(client.models.list().data[0].id).object,
        "errors": {
            "empty": caught(lambda: create(model="m", input="")),
            "ids": caught(lambda: create(model="m", input=[9906, 1917])),
            "dimensions": caught(lambda: create(model="m", input="a", dimensions=7)),
            "unknown": caught(lambda: create(model="m", input="a", extra_body={"foo": 1})),
            "key": caught(lambda: openai.OpenAI(base_url=url + "/v1", api_key="wrong", max_retries=0).models.list()),
            "path": caught(lambda: client.models.retrieve("no-such-model")),
        },
    }


def ask_azure(url, key):
    import openai

    client = openai.AzureOpenAI(azure_endpoint=url, api_key=key, api_version="2024-02-01", max_retries=0)
    got = client.embeddings.create(model="my-deployment", input=TEXTS)
    wrong = openai.AzureOpenAI(azure_endpoint=url, api_key="wrong", api_version="2024-02-01", max_retries=0)
    return {"default": [e.embedding for e in got.data],
            "errors": {"key": caught(lambda: wrong.embeddings.create(model="d", input="a"))}}


def ask_google(url, key):
    from google import genai

    client = genai.Client(api_key=key, http_options={"base_url": url})
    embed = client.models.embed_content
    got = embed(model="gemini-embedding-001", contents=TEXTS, config={"task_type": "RETRIEVAL_DOCUMENT", "title": "T"})
    wrong = genai.Client(api_key="wrong", http_options={"base_url": url})
    return {
        "default": [e.values for e in got.embeddings],
        "single": [e.values for e in embed(model="gemini-embedding-001", contents=TEXTS[0]).embeddings],
        "dimensions": [e.values for e in
                       embed(model="gemini-embedding-001", contents=TEXTS, config={"output_dimensionality": 384}).embeddings],
        "models": [m.name for m in client.models.list()],
        "errors": {
            "many": caught(lambda: embed(model="gemini-embedding-001", contents=["a"] * 101)),
            "key": caught(lambda: wrong.models.embed_content(model="gemini-embedding-001", contents="a")),
        },
    }


def ask_ollama(url, key):
    import ollama

    client = ollama.Client(host=url, headers={"Authorization": f"Bearer {key}"})
    got = client.embed(model="all-minilm", input=TEXTS)
    return {
        "default": [list(e) for e in got.embeddings],
        "single": [list(client.embed(model="m", input=TEXTS[0]).embeddings[0])],
        "old": [list(client.embeddings(model="m", prompt=TEXTS[0]).embedding)],
        "none": [list(e) for e in client.embed(model="m", input=[]).embeddings],
        "models": [m.model for m in client.list().models],
        "capabilities": client.show(client.list().models[0].model).capabilities,
        "errors": {
            "model": caught(lambda: client._request_raw("POST", "/api/embed", json={"input": "a"})),
            "key": caught(lambda: ollama.Client(host=url).embed(model="m", input="a")),
        },
    }


def ask_cohere(url, key):
    import cohere

    client = cohere.ClientV2(api_key=key, base_url=url)
    got = client.embed(texts=TEXTS, model="embed-v4.0", input_type="search_document", embedding_types=["float", "int8", "ubinary"])
    wrong = cohere.ClientV2(api_key="wrong", base_url=url)
    return {
        "default": [list(e) for e in got.embeddings.float_],
        "int8": [list(e) for e in got.embeddings.int8],
        "ubinary": [list(e) for e in got.embeddings.ubinary],
        "texts": got.texts,
        "errors": {
            "type": caught(lambda: client.embed(texts=TEXTS, model="m", input_type="nonsense", embedding_types=["float"])),
            "key": caught(lambda: wrong.embed(texts=TEXTS, model="m", input_type="search_query", embedding_types=["float"])),
        },
    }


def ask_voyage(url, key):
    import voyageai

    client = voyageai.Client(api_key=key, base_url=url + "/v1", max_retries=0)
    got = client.embed(TEXTS, model="voyage-3", input_type="document")
    wrong = voyageai.Client(api_key="wrong", base_url=url + "/v1", max_retries=0)
    return {
        "default": got.embeddings,
        "tokens": got.total_tokens,
        "int8": client.embed(TEXTS, model="voyage-3", output_dtype="int8").embeddings,
        "ubinary": client.embed(TEXTS, model="voyage-3", output_dtype="ubinary").embeddings,
        "errors": {
            "type": caught(lambda: client.embed(TEXTS, model="voyage-3", input_type="nonsense")),
            "key": caught(lambda: wrong.embed(TEXTS, model="voyage-3")),
        },
    }


def ask_langchain(url, key):
    from langchain_openai import OpenAIEmbeddings

    client = OpenAIEmbeddings(model="text-embedding-3-small", base_url=url + "/v1", api_key=key, max_retries=0,
                              check_embedding_ctx_length=False)
    return {"default": client.embed_documents(TEXTS), "single": [client.embed_query(TEXTS[0])]}


def ask_langchain_ids(url, key, ranks):
    """As LangChain does by default: it sends token ids. Its own table would come from the net; ours is that file."""
    import base64

    import tiktoken
    from langchain_openai import OpenAIEmbeddings

    pairs = (line.split() for line in open(ranks, encoding="ascii"))
    encoding = tiktoken.Encoding("test", pat_str=r"\s?\S+|\s+", special_tokens={},
                                 mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in pairs})
    tiktoken.encoding_for_model = tiktoken.get_encoding = lambda name: encoding
    client = OpenAIEmbeddings(model="text-embedding-3-small", base_url=url + "/v1", api_key=key, max_retries=0)
    return {"default": client.embed_documents(TEXTS), "ids": encoding.encode(TEXTS[0])}


def ask_llama_index(url, key):
    from llama_index.embeddings.openai import OpenAIEmbedding

    client = OpenAIEmbedding(api_base=url + "/v1", api_key=key, max_retries=0)
    # it puts a space for every newline by itself
    return {"default": client.get_text_embedding_batch([TEXTS[0], TEXTS[0]]), "single": [client.get_query_embedding(TEXTS[0])]}


if __name__ == "__main__":
    print(json.dumps(globals()["ask_" + sys.argv[1]](*sys.argv[2:])))
