// What the pages can do besides being read: search, copy, remember a tab, and send requests of the reader's own session.
// Everything is shown as text; nothing is sent before a click, and only to this server.
'use strict'

const words = document.body.dataset
const language = document.documentElement.lang.slice(0, 2)

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

function stored(key, value) {
  try {
    if (value !== undefined) localStorage.setItem(key, value)
    return localStorage.getItem(key)
  } catch {
    return null // storage is switched off
  }
}

// The menu is open where there is room for it, and without this script everywhere.
const menu = document.getElementById('menu')
const wide = matchMedia('(min-width: 55.01rem)')
menu.open = wide.matches
wide.addEventListener('change', () => (menu.open = wide.matches))

// Behind a proxy the server may not know under which address it is reached; the browser does.
if (words.origin !== location.origin) {
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replaceAll(words.origin, location.origin)
}

// What scrolls sideways is reached by the keyboard, too.
for (const table of document.querySelectorAll('.table')) if (table.scrollWidth > table.clientWidth) table.tabIndex = 0

// Tabs: the one that was chosen last, on every page.
for (const tab of document.querySelectorAll('input[name=tab]')) {
  if (tab.id === stored('thingstead-docs-tab')) tab.checked = true
  tab.addEventListener('change', () => stored('thingstead-docs-tab', tab.id))
}

// Copy.
for (const code of document.querySelectorAll('.code')) {
  const button = element('button', { type: 'button' }, words.copy)
  button.addEventListener('click', async () => {
    const shown = [...code.querySelectorAll('pre')].find((pre) => pre.offsetParent !== null)
    try {
      await navigator.clipboard.writeText(shown.textContent)
    } catch {
      getSelection().selectAllChildren(shown) // without TLS a page may not write to the clipboard
      document.execCommand('copy')
    }
    button.textContent = words.copied
    setTimeout(() => (button.textContent = words.copy), 1500)
  })
  code.querySelector('.bar').append(button)
}

// Search.
const box = document.querySelector('search')
const input = box.querySelector('input')
const list = box.querySelector('ul')
let entries
box.hidden = false

async function search() {
  const terms = input.value.toLowerCase().split(/\s+/).filter(Boolean)
  if (!entries) {
    const version = new URL(document.querySelector('link[rel=stylesheet]').href).search
    entries = fetch(`/docs/assets/search.${language}.json${version}`).then((answer) => answer.json())
    entries.catch(() => (entries = undefined))
  }
  const all = await entries
  const matching = ([title, hint, , text]) => {
    const shown = `${title} ${hint}`.toLowerCase()
    return terms.every((term) => shown.includes(term)) ? 2 : terms.every((term) => `${shown} ${text}`.includes(term)) ? 1 : 0
  }
  const ranked = all.map((entry) => [matching(entry), entry]).filter(([rank]) => rank > 0).sort(([a], [b]) => b - a)
  const found = ranked.map(([, entry]) => entry)
  if (terms.join() !== input.value.toLowerCase().split(/\s+/).filter(Boolean).join()) return
  list.replaceChildren(
    ...(terms.length === 0 ? [] : found.slice(0, 30).map(([title, hint, address]) =>
      element('li', {}, element('a', { href: address }, title, element('small', {}, hint))))),
    ...(terms.length > 0 && found.length === 0 ? [element('li', {}, words.nothing)] : [])
  )
}
input.addEventListener('input', () => void search())
input.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') list.querySelector('a')?.click()
  if (event.key === 'Escape') input.value = ''
  if (event.key === 'Escape') list.replaceChildren()
})
list.addEventListener('click', () => list.replaceChildren())
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || /^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) return
  event.preventDefault()
  input.focus()
})
document.addEventListener('click', (event) => {
  if (!box.contains(event.target)) list.replaceChildren()
})

// Try it: a form that is made when it is asked for, and sends when its button is clicked.
function field(name, value = '', kind = 'input') {
  const control = element(kind, { autocomplete: 'off', spellcheck: 'false' })
  control.value = value
  return { name, control, label: element('label', {}, name, control) }
}

function form(article) {
  const { method, path, query = '', given = '', body, credential = '' } = article.dataset
  const first = new URLSearchParams(given)
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => field(name))
  const inQuery = query.split(' ').filter(Boolean).map((name) => field(name, first.get(name) ?? ''))
  const inHeaders = credential === 'projectKey' ? [field('Project-Key')] : []
  const content = body === undefined ? [] : [field('body', body === 'file' ? '' : body, 'textarea')]
  const send = element('button', { type: 'submit', class: 'primary' }, words.send)
  const status = element('p', { role: 'status' })
  const answer = element('pre', { tabindex: '0', hidden: '' })
  const fields = [...inPath, ...inHeaders, ...inQuery, ...content].map(({ label }) => label)
  const made = element('form', { class: 'try' }, element('p', {}, inHeaders.length ? words.device : words.real), ...fields, send, status, answer)

  made.addEventListener('submit', async (event) => {
    event.preventDefault()
    const values = Object.fromEntries(inPath.map(({ name, control }) => [name, encodeURIComponent(control.value.trim())]))
    const missing = inPath.find(({ control }) => control.value.trim() === '')
    if (missing) return missing.control.focus()
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => values[name])
    const address = new URL(filled, location.origin)
    for (const { name, control } of inQuery) if (control.value !== '') address.searchParams.set(name, control.value)
    if (address.origin !== location.origin || address.pathname !== filled) return inPath[0].control.focus() // such as ".."
    const headers = new Headers(inHeaders.map(({ name, control }) => [name, control.value.trim()]))
    if (!inHeaders.length) headers.set('X-Thingstead', '1')
    const options = { method, headers, credentials: inHeaders.length ? 'omit' : 'same-origin', cache: 'no-store', redirect: 'error' }
    if (content.length) options.body = content[0].control.value
    if (content.length && body !== 'file') headers.set('Content-Type', 'application/json')
    send.disabled = true
    try {
      const begun = performance.now()
      const response = await fetch(address, options)
      const text = await response.text()
      status.textContent = `${method} ${address.pathname}${address.search} → ${response.status}, ${Math.round(performance.now() - begun)} ms`
      if (response.status === 401 && !inHeaders.length) status.append(' ', element('a', { href: '/console/', target: '_blank' }, words.login))
      answer.textContent = pretty(text)
      answer.hidden = false
    } catch {
      status.textContent = words.failed
    }
    send.disabled = false
  })
  return made
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1)
  } catch {
    return text.slice(0, 100_000)
  }
}

for (const article of document.querySelectorAll('article[data-method]')) {
  const button = element('button', { type: 'button' }, words.try)
  button.addEventListener('click', () => {
    const made = form(article)
    button.replaceWith(made)
    made.querySelector('input, textarea, button').focus()
  })
  article.querySelector('.code').after(button)
}
