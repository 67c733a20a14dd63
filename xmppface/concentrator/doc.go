// Package concentrator is the concentrator interface at both ends: the hub shows
// its data sources and nodes to who asks ([Server]), and a [Client] asks any hub.
//
// The interface is that of urn:nfi:iot:concentrator:1.0, published by the
// Neuro-Foundation; the families urn:nf and urn:ieee share its schema. A request is
// answered, and later messages are sent, in the family of the request.
//
// Where the schema and deployed software differ:
//
//   - xml:lang is looked for on the request element, then on the stanza.
//   - Tokens (dt, st, ut) are accepted and ignored. Booleans are read as 1, true,
//     yes, on in any case. A missing src means MeteringTopology.
//   - Every node has a localId, which clients show; displayName is the title of
//     its type, and so is the displayable parameter "Type".
//   - getAncestors lists the node itself first, up to the root.
//   - containsNode is false for what may not be seen, everything else then is
//     item-not-found. One missing node fails the whole of getNodes.
//   - registerSniffer and unregisterSniffer are listed among the capabilities.
//   - Errors of type modify always hold a form: clients drop others.
//   - An answer longer than [MaxAnswer] is refused with not-acceptable; the text
//     says to ask branch by branch.
//   - A date has no element of its own among displayable parameters and travels
//     as a string, as does a number with a unit; a time of 24 hours and more is a
//     duration; numbers that are not finite are left out.
//
// Operations stand in files by noun, as rows of tables that serve.go joins: one more
// operation is a row and a method. The package knows no connection, no tree and
// no rights: its [Backend] answers as the caller may see.
package concentrator
