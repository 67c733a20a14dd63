// Package param checks and converts parameters by their descriptions
// (nodes.Param). The same functions serve configuration files, data forms and
// adapters, so that a value is right or wrong everywhere alike. It knows nothing
// of forms, files or node trees.
package param
