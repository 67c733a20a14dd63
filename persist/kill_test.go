package persist

const childDir = "HUB_TEST_PERSIST_CHILD"

func child(string) {}
