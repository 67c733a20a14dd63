// Package control is the control interface at both ends: the hub sets control
// parameters of its nodes ([Server]), and a [Client] sets those of any hub.
//
// The interface is that of urn:nfi:iot:ctr:1.0, published by the Neuro-Foundation;
// the families urn:nf and urn:ieee share its schema. A request is answered in its
// own family.
//
// A set names nodes and parameters, by elements or by a submitted form, and means
// each parameter on each node: in order, the first node with all its parameters
// first. All are checked before the first is written; at the first failure writing
// stops. There is exactly one answer:
//
//   - resp when all was written, or all that the sender may control: it lists the
//     nodes and parameters, also when they are those of the request.
//   - bad-request (a wrong value) or item-not-found (no such parameter), type modify,
//     with a paramError for each wrong parameter, and, after a form, with the form.
//     Nothing was written.
//   - not-acceptable with the device's reason, when it refused; another condition
//     when it was not reached. recipient-unavailable and resource-constraint, type
//     wait, say that this parameter was not written.
//   - remote-server-timeout, type wait, "outcome unknown", when it was sent and nobody
//     knows whether it was done, at the latest [AnswerTime] after the request came.
//
// When something was tried, the error also holds a resp for each node on which
// something was written, an empty one when nothing was, and a paramError for what
// failed; its text says the same in words.
//
// Where the schema and deployed software differ:
//
//   - A paramError has the name as var, as the schema says, and as n, as deployed
//     hubs write it.
//   - Numbers are taken for each other where nothing is lost (i, l, db), and e for a
//     text parameter, s for an enumeration; its t is ignored. A number that is none,
//     or not finite, is a bad request.
//   - A time without a zone is UTC. Tokens (dt, st, ut) are accepted and ignored,
//     and so are elements of other namespaces.
//   - A set may hold elements and a form; the elements come first. Hidden fields of
//     a form are ignored. An emptied field is not set, but for a text of which the
//     form could show a value.
//   - The form of several nodes has the parameters that all of them have. Each present
//     value is shown while it is current, whether or not others of the device are; no
//     device is waited for.
//   - Parameters of one section of a form are a parameter group: a pGroup with the name
//     as n, as the schema has it.
//   - Requests without nd are for the hub itself, which has no control parameters:
//     item-not-found.
//
// Sets of one sender at one node are done in order, others side by side. What has
// not begun [WaitTime] after it came, or when its sender goes offline, is not begun
// any more.
//
// The package knows no connection, no tree and no rights: its [Backend] acts as the
// caller may.
package control
