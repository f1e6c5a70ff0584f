import vue from "eslint-plugin-vue"
import tseslint from "typescript-eslint"
import noUnsafeHref from "./tools/no-unsafe-href.js"

const TIME = "Instants are formatted by lib/time.ts, numbers by lib/format.ts alone."
const timeRules = [
  { selector: "MemberExpression[property.name=/^toLocale/]", message: TIME },
  { selector: "MemberExpression[object.name='Intl']", message: TIME },
  { selector: "NewExpression[callee.name='Date']", message: TIME },
]
// What would run a text as code or take it for markup. The policy of the page refuses it too.
const sinkRules = [
  {
    selector: "MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML|srcdoc)$/]",
    message: "Texts are put into the page as texts.",
  },
  {
    selector: "CallExpression[callee.property.name=/^(write|writeln|createContextualFragment)$/]",
    message: "No markup.",
  },
  { selector: "MemberExpression[property.name='cssText']", message: "Styles are set one by one." },
]

export default tseslint.config(
  { ignores: ["node_modules"] },
  ...tseslint.configs.recommended,
  ...vue.configs["flat/recommended"],
  {
    files: ["**/*.{ts,vue}"],
    languageOptions: { parserOptions: { parser: tseslint.parser } },
    plugins: { thingstead: { rules: { "no-unsafe-href": noUnsafeHref } } },
    rules: {
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-restricted-syntax": ["error", ...timeRules, ...sinkRules],
      "no-restricted-globals": ["error", "alert", "prompt", { name: "confirm", message: "Use lib/confirm.ts." }],
      "max-lines": ["error", 400],
      "vue/no-v-html": "error",
      "vue/no-v-text-v-html-on-component": "error",
      "vue/no-static-inline-styles": "error",
      "vue/no-bare-strings-in-template": [
        "error",
        { allowlist: ["·", "/", "—", "‹", "›", "…", "Thingstead", "(", ")", ",", ":"] },
      ],
      "vue/block-lang": ["error", { script: { lang: "ts" } }],
      "vue/component-api-style": ["error", ["script-setup"]],
      "vue/require-default-prop": "off",
      "thingstead/no-unsafe-href": "error",
      // Prettier decides about these.
      "vue/max-attributes-per-line": "off",
      "vue/singleline-html-element-content-newline": "off",
      "vue/multiline-html-element-content-newline": "off",
      "vue/html-self-closing": "off",
      "vue/html-indent": "off",
      "vue/html-closing-bracket-newline": "off",
      "vue/html-closing-bracket-spacing": "off",
      "vue/multi-word-component-names": "off",
    },
  },
  {
    files: ["src/lib/time.ts", "src/lib/format.ts", "src/i18n/message.ts", "tests/**"],
    rules: { "no-restricted-syntax": ["error", ...sinkRules] },
  },
)
