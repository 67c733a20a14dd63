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
//   - Commands: the type is spelled Parametrized in all families; clients take
//     Parameterized for Simple. A simple command with a form and a parametrized one
//     without are bad requests; a query without a form runs when it needs none. What
//     executeNodeCommand runs ends within [CommandTime] or is answered with
//     remote-server-timeout, outcome unknown; commands of one sender at one node are
//     run in order. The description of a command is the instructions of its form.
//   - Queries: queryProgress has a seqNr, which the schema leaves optional and clients
//     need: from 1, one more in each message. The result comes before the first
//     message, the address is spelled as in the request, one message holds all that
//     was found within 50 ms, and the last holds queryDone or queryAborted. A
//     query that fails before it has found anything, within a quarter of a second, is
//     an error of the request; one that fails later, or is ended by the hub, sends a
//     queryMessage of type Exception with the reason and then queryAborted, so that
//     what is incomplete does not look done. Tables and sections that are open then are
//     closed before. Ids are each client's own; the same id while a query runs is a
//     conflict. A query ends when its client goes offline or takes nothing for
//     [MaxStall].
//   - Commands and queries of several nodes, at most [MaxNodes]: get is as good as set,
//     since deployed hubs want get. All nodes must exist and have the command, else
//     nothing is begun; then each has its result, in order. The form has what all have; it
//     takes what at least one of them takes, and each checks for itself. A command is run
//     on a few nodes at a time; nodes whose turn has not come when its time is nearly over
//     are told "not begun". A query has one id, and messages of its own, numbered from 1,
//     for each node; abortNodeQuery ends it on one of them.
//   - A newObject cannot be sent in parts: one above [MaxObject] is left out, with a
//     message of type Error. Its contentType has no parameters, since clients find no
//     decoder for one that has; the name of the file is the header of a section
//     around it. A row longer than a message is left out in the same way.
//   - Edits: setNodeParametersForEdit, as the text of the specification has it once, is
//     setNodeParametersAfterEdit. What is left out of a form stays as it is, what is
//     emptied gets its default. A secret is never sent; left empty it stays, and a field
//     of its name with ".clear" takes it away. NodeId and Name rename a single node. In the
//     form of several nodes a field that differs is empty, marked notSame and, left
//     empty, stays as it is on each. All is applied or nothing.
//   - A move at the edge is no error. Nodes that are moved together do not pass each
//     other. A request for several nodes names each once.
//   - A date has no element of its own among displayable parameters and travels
//     as a string, as does a number with a unit; a time of 24 hours and more is a
//     duration; numbers that are not finite are left out.
//
// Operations stand in files by noun, as rows of tables that serve.go joins: one more
// operation is a row and a method. The package knows no connection, no tree and
// no rights: its [Backend] answers as the caller may see.
package concentrator
