// A lint rule: addresses that come from data are looked at before they become links. `:href`, `:src` and `:action` take
// texts that are written down, or a call of `safeUrl`.
const NAMES = new Set(["href", "src", "action", "formaction", "xlink:href"])

function isSafe(node) {
  if (!node) return true
  if (node.type === "Literal") return true
  if (node.type === "CallExpression") return node.callee.name === "safeUrl"
  if (node.type === "ConditionalExpression") return isSafe(node.consequent) && isSafe(node.alternate)
  if (node.type === "TemplateLiteral") return /^\/(?![/\\])/.test(node.quasis[0]?.value.raw ?? "")
  return false
}

export default {
  meta: { type: "problem", schema: [], messages: { unsafe: "An address from data goes through safeUrl()." } },
  create(context) {
    const services = context.sourceCode.parserServices
    if (!services.defineTemplateBodyVisitor) return {}
    return services.defineTemplateBodyVisitor({
      "VAttribute[directive=true][key.name.name='bind']"(node) {
        const name = node.key.argument?.type === "VIdentifier" ? node.key.argument.name : null
        if (name && NAMES.has(name) && !isSafe(node.value?.expression)) context.report({ node, messageId: "unsafe" })
      },
    })
  },
}
