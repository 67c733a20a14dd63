// Package ext says what a namespace is to the face that mounts it: an
// [Extension] that serves requests ([Request]) which came over some [Link]. It
// knows stanza errors and how the kinds of nodes.Error map to them, but no
// connection and no particular namespace.
package ext
