"""SQS: what is put on the queues, how requests are cut into messages, and the dead-letter queues."""
