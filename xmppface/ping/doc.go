// Package ping answers and sends XMPP pings (XEP-0199). Clients that see two
// resources of a contact ping the first and forget it when there is no answer.
package ping
