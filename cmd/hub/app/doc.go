// Package app is the program as a library: flags, configuration, wiring, the order
// in which things start and stop, and the commands of a client. [Main] is called
// with the adapters a program is built with; a main of somebody else's calls it
// with one adapter more.
//
// It is the only package that knows both sides of every interface. Nothing imports
// it but a main.
package app
