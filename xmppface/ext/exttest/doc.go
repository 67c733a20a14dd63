// Package exttest connects the two ends of a namespace in memory, for tests: a
// server ([ext.Extension]) and clients ([ext.Receiver]), each with a [Link].
// Stanzas travel as bytes and are parsed as on a stream, in order; whoever drops
// is told to the others. What travels is recorded and checked against published
// schemas by [Main], when the environment names them.
//
// It knows no particular namespace, and nothing but tests may import it.
package exttest
