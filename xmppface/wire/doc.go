// Package wire holds the encodings that several namespaces share: a parsed
// [Element], appending of XML to a byte slice without reflection, the spellings of
// times and numbers, node addresses, and the fields of sensor data. It knows
// nothing of connections, callers or who asks.
package wire
