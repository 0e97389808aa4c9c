from __future__ import annotations

import pytest

from worker.investigation.language import is_english

ENGLISH = [
    "",
    "OOMKilled",
    "The last change broke it.",
    "Commit a3f7c2d removed the null check; NullReferenceException in InvoiceMapper.Map since 03:08.",
    "The message “Der Dienst ist nicht erreichbar und die Verbindung wurde abgelehnt” shows that the gateway was not "
    "reachable, which is what the new timeout in the client leads to.",
    "Der Dienst ist weg",  # too little to tell
    "orders-db refused connections: FATAL: 53300: too many connections for role orders_rw (max_connections 100)",
    "The topic 订单 is not created in the new cluster, so that the consumer of orders stops with UNKNOWN_TOPIC.",
]
OTHERS = [
    "Der letzte Commit hat die Verbindung zur Datenbank zerstört, und der Dienst ist seitdem nicht mehr erreichbar.",
    "Le dernier commit a cassé la connexion à la base de données et les requêtes sont refusées par le serveur.",
    "El último cambio rompió la conexión con la base de datos y por eso las peticiones de los clientes fallan.",
    "A última alteração quebrou a conexão com o banco de dados e os pedidos não são aceitos pela aplicação.",
    "L'ultima modifica ha rotto la connessione con il database e le richieste non sono accettate dal server.",
    "De laatste wijziging heeft de verbinding met de database verbroken en het verkeer wordt niet meer verwerkt.",
    "最后一次提交破坏了数据库连接，因此 invoice-api 返回 500 错误。",
    "Последнее изменение сломало подключение к базе данных, сервис invoice-api не отвечает.",
]


@pytest.mark.parametrize("text", ENGLISH)
def test_english_with_whatever_it_quotes(text: str) -> None:
    assert is_english(text)


@pytest.mark.parametrize("text", OTHERS)
def test_another_language(text: str) -> None:
    assert not is_english(text)
