// Package xmpptest gives tests real XMPP servers, certificates of their own, and
// an echo to measure against. Servers listen on free ports of 127.0.0.1 and end
// with the test, even when it dies. It is for tests and benchmarks only.
package xmpptest
