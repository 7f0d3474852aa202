import sys

from gensim.models import Word2Vec

words = ["北京", "上海", "银行", "大学", "教授", "经理", "公司", "中国", "人民", "医院"]
Word2Vec([words] * 3, vector_size=8, min_count=1, epochs=1, seed=1, workers=1).save(sys.argv[1])
